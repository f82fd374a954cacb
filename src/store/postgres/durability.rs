//! What the server must promise. PostgreSQL lets every one of these be switched off, also while it runs, so they are asked for with
//! each transaction that appends.

use tokio_postgres::Row;

use super::OpenError;

/// What is asked, as columns of a row.
pub(super) const COLUMNS: &str = "current_setting('fsync') AS fsync, current_setting('full_page_writes') AS pages, \
     current_setting('synchronous_commit') AS synchronous, current_setting('synchronous_standby_names') AS standbys";

/// Refuses a server that promises less, from a row with [`COLUMNS`].
pub(super) fn check(row: &Row, demanded: u32) -> Result<(), OpenError> {
    let said = |column| row.try_get::<_, String>(column).unwrap_or_default();
    judge(&said("fsync"), &said("pages"), &said("synchronous"), &said("standbys"), demanded)
}

fn judge(fsync: &str, pages: &str, synchronous: &str, names: &str, demanded: u32) -> Result<(), OpenError> {
    let less = |what: String, next| Err(OpenError::Durability { what, next });
    if fsync != "on" {
        return less(format!("fsync is {fsync:?}"), "set fsync = on in its configuration");
    }
    if pages != "on" {
        return less(format!("full_page_writes is {pages:?}"), "set full_page_writes = on in its configuration");
    }
    let enough = match synchronous {
        "on" | "remote_apply" => true,
        "local" | "remote_write" => demanded == 0,
        _ => false,
    };
    if !enough {
        return less(
            format!("synchronous_commit is {synchronous:?}"),
            "set synchronous_commit = on for its server, database and role",
        );
    }
    let promised = promised(names);
    if promised < demanded {
        return less(
            format!(
                "its synchronous_standby_names ({names:?}) wait for {promised} standbys, and store.synchronous_standbys demands {demanded}"
            ),
            "see that its standbys run and are synchronous, or demand fewer",
        );
    }
    Ok(())
}

/// How many standbys a commit waits for by this `synchronous_standby_names` (PostgreSQL 15, section 20.6.2): `FIRST n (…)`, `ANY n (…)`,
/// `n (…)`, or a list, of which one is waited for.
fn promised(names: &str) -> u32 {
    let names = names.trim();
    if names.is_empty() {
        return 0;
    }
    let Some((method, _)) = names.split_once('(') else { return 1 };
    // A quoted name may hold a parenthesis; what is no number then is a list.
    method.split_whitespace().last().and_then(|n| n.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_promises_less_is_refused() {
        for (fsync, pages, synchronous, names, demanded, wrong) in [
            ("on", "on", "on", "", 0, None),
            ("on", "on", "local", "", 0, None),
            ("on", "on", "remote_write", "", 0, None),
            ("on", "on", "remote_apply", "*", 1, None),
            ("on", "on", "on", "FIRST 2 (a, b, c)", 2, None),
            ("off", "on", "on", "*", 1, Some("fsync is")),
            ("on", "off", "on", "*", 1, Some("full_page_writes is")),
            ("on", "on", "off", "*", 0, Some("synchronous_commit is \"off\"")),
            ("on", "on", "local", "*", 1, Some("synchronous_commit is \"local\"")),
            ("on", "on", "remote_write", "*", 1, Some("synchronous_commit is")),
            ("on", "on", "", "*", 1, Some("synchronous_commit is")),
            ("on", "on", "on", "", 1, Some("wait for 0 standbys")),
            ("on", "on", "on", "*", 2, Some("wait for 1 standbys")),
        ] {
            let judged = judge(fsync, pages, synchronous, names, demanded).err().map(|error| error.to_string());
            assert_eq!(judged.is_some(), wrong.is_some(), "{judged:?}");
            assert!(judged.unwrap_or_default().contains(wrong.unwrap_or_default()));
        }
    }

    #[test]
    fn standbys_are_counted_as_the_server_waits_for_them() {
        for (names, count) in [
            ("", 0),
            (" ", 0),
            ("*", 1),
            ("node2", 1),
            ("node1, node2", 1),
            ("2 (a, b, c)", 2),
            ("FIRST 1 (a)", 1),
            ("ANY 2 (*)", 2),
            ("any 3(a,b,c)", 3),
            ("\"a(b\"", 1),
        ] {
            assert_eq!(promised(names), count, "{names}");
        }
    }
}
