//! STUB
use serde::{Deserialize, Serialize};
pub const RULES: &str = "text.v1";
pub const TEXT_LIMIT: usize = 1 << 20;
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Ltr,
    Rtl,
}
#[derive(Debug)]
pub struct Fault;
impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("x")
    }
}
pub fn check_line(_s: &str) -> Result<(), Fault> {
    Ok(())
}
pub fn check_prose(_s: &str) -> Result<(), Fault> {
    Ok(())
}
