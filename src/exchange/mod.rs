//! The use cases: who may, load, decide, append. Knows neither tonic nor SQL.

pub mod ports;
