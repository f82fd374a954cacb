//! Who is not let in.

use super::{
    DAY, Row, row,
    scene::{Scene, uri},
};
use crate::world::{domain_of, issue};
use rcgen::ExtendedKeyUsagePurpose;

/// Who is not let in.
pub(super) fn who_calls<'a>(s: &'a Scene<'_>) -> Vec<Row<'a>> {
    let south = &s.world.authorities["south"];
    vec![
        row("a certificate of South's CA naming North", "UNREACHABLE", async move {
            s.knock(&issue(south, &format!("spiffe://{}/system/sample", domain_of("north")))).await
        }),
        row("a certificate naming no party", "UNREACHABLE", async move {
            s.knock(&issue(south, "spiffe://mfa.atlantis.example/system/sample")).await
        }),
        row("two URIs", "UNREACHABLE", async move {
            s.knock(&s.odd(|p| p.subject_alt_names.push(uri("north", "system")))).await
        }),
        row("no URI", "UNREACHABLE", async move { s.knock(&s.odd(|p| p.subject_alt_names.clear())).await }),
        row("a URI of an unknown role", "UNREACHABLE", async move {
            s.knock(&s.odd(|p| p.subject_alt_names = vec![uri("north", "king")])).await
        }),
        row("no clientAuth", "UNREACHABLE", async move {
            s.knock(&s.odd(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth])).await
        }),
        row("no extended key usage at all", "UNREACHABLE", async move {
            s.knock(&s.odd(|p| p.extended_key_usages.clear())).await
        }),
        row("an expired certificate", "UNREACHABLE", async move {
            s.knock(&s.odd(|p| {
                let day = std::time::Duration::from_secs(u64::try_from(DAY).unwrap());
                (p.not_before, p.not_after) = (p.not_before - day, p.not_before - day / 2);
            }))
            .await
        }),
        row("the party's own CA as a caller", "UNREACHABLE", async move { s.knock(&south.to_pem()).await }),
    ]
}
