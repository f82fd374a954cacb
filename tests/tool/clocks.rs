//! Clocks that are five years off: the exchange's, which entries get their times from, and an official's.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    backups::{operator, proposed, published, remark},
    desk::{Desk, WORDS},
    job::{exchange, profiles, reader},
    missing::missing,
};

/// Longer than anything waited for here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The library that lies to a program about the time.
fn faketime() -> Option<PathBuf> {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    let found =
        folders.map(|folder| Path::new(folder).join("faketime/libfaketime.so.1")).into_iter().find(|f| f.exists());
    if found.is_none() {
        missing("libfaketime", "install Debian's package faketime");
    }
    found
}

/// A program for which the wall clock is off by what the file `clock` holds, as in `+30d`; its monotonic clock is the machine's.
fn off(desk: &Desk, name: &str, library: &Path) -> Command {
    let mut program = Command::new(assert_cmd::cargo::cargo_bin(name));
    program
        .current_dir(desk.0.path())
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", desk.path("clock"))
        .env("LC_ALL", "C")
        .env_remove("COMMUNIQUE_PROFILE")
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    program
}

/// `communiqued serve` under such a clock.
struct Off {
    child: Child,
    address: String,
    http: String,
}
impl Off {
    fn serve(desk: &Desk, library: &Path, arguments: &[&str]) -> Self {
        let mut program = off(desk, "communiqued", library);
        program.args(["serve", "--config", "host/communiqued.toml"]).args(arguments);
        let log = fs::File::create(desk.path("served.log")).unwrap();
        let mut child = program.stdout(Stdio::piped()).stderr(Stdio::from(log)).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said =
            |before: &str| line.split(before).nth(1).and_then(|rest| rest.split([';', '\n']).next()).map(str::to_owned);
        let (address, http) = (said("serving on "), said("metrics on "));
        let wrong = || format!("{line:?}: {}", desk.read("served.log"));
        Self { child, address: address.unwrap_or_else(|| panic!("{}", wrong())), http: http.unwrap_or_default() }
    }
    /// Waits until the probe says this.
    fn says(&self, desk: &Desk, what: &str) {
        let until = Instant::now() + PATIENCE;
        let mut answer = String::new();
        while !answer.contains(what) {
            assert!(Instant::now() < until, "{answer:?} is not {what:?}: {}", desk.read("served.log"));
            std::thread::sleep(Duration::from_millis(100));
            let mut stream = TcpStream::connect(&self.http).unwrap();
            stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
            answer.clear();
            stream.read_to_string(&mut answer).unwrap();
        }
    }
    /// Each party's profiles name this address.
    fn known(&self, desk: &Desk) {
        let pin = desk.run("charter fingerprint charter.json").ends(0).out.trim().to_owned();
        for party in ["north", "south"] {
            profiles(desk, party, &self.address, &pin);
        }
    }
    fn stop(mut self) {
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}
impl Drop for Off {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn size(desk: &Desk) -> u64 {
    operator(desk, "fsck --config host/communiqued.toml --json").ends(0).json()["size"].as_u64().unwrap()
}

#[test]
fn a_clock_five_years_off_writes_nothing() {
    let Some(library) = faketime() else { return };
    let (desk, mut served) = exchange();
    let open = proposed(&desk, "Texte d’essai.\n");
    served.stop();
    let before = size(&desk);

    // From the start. Certificates have run out for a clock that is ahead, and are not valid yet for one that is behind: nobody gets in.
    for (clock, says) in [("+1825d", "the clock is ahead"), ("-1825d", "the clock is behind")] {
        desk.write("clock", clock);
        let served = Off::serve(&desk, &library, &[]);
        served.known(&desk);
        served.says(&desk, says);
        assert_ne!(remark(&desk, &open).code, Some(0));
        served.stop();
        assert_eq!(size(&desk), before, "{clock}");
    }
    assert!(desk.read("host/data/log.clock").starts_with("20"), "{}", desk.read("host/data/log.clock"));

    // A month: certificates hold, and reads go on.
    desk.write("clock", "+30d");
    let served = Off::serve(&desk, &library, &[]);
    served.known(&desk);
    served.says(&desk, "the clock is ahead");
    reader(&desk, "south", &format!("show {open}")).ends(0);
    let refused = remark(&desk, &open);
    assert!(refused.code != Some(0) && refused.err.contains("was to be expected"), "{}", refused.err);
    assert!(desk.read("served.log").contains("--accept-clock"), "{}", desk.read("served.log"));
    served.stop();
    assert_eq!(size(&desk), before);
    // Unless the operator says so; but here that would be wrong for ever.
    desk.write("clock", "+0d");
    let served = Off::serve(&desk, &library, &["--accept-clock"]);
    served.known(&desk);
    served.says(&desk, "200 OK");
    remark(&desk, &open).ends(0);

    // While it runs, and back.
    for clock in ["+1825d", "-1825d", "+2h"] {
        desk.write("clock", clock);
        served.says(&desk, if clock.starts_with('+') { "the clock is ahead" } else { "the clock is behind" });
        assert_ne!(remark(&desk, &open).code, Some(0));
        if clock == "+2h" {
            reader(&desk, "south", &format!("show {open}")).ends(0);
        }
        desk.write("clock", "+0d");
        served.says(&desk, "200 OK");
        remark(&desk, &open).ends(0);
    }
    served.stop();
    assert_eq!(size(&desk), before + 4);
    assert_eq!(desk.read("served.log").matches("the clock is believed again").count(), 3);
}

#[test]
fn verdicts_do_not_depend_on_the_clock_of_whoever_verifies() {
    let Some(library) = faketime() else { return };
    let (desk, mut served) = exchange();
    let id = published(&desk);
    let pin = desk.run("charter fingerprint charter.json").ends(0).out.trim().to_owned();
    let open = proposed(&desk, "Texte d’essai ouvert.\n");
    let run = |clock: &str, line: &str| {
        desk.write("clock", clock);
        let mut program = off(&desk, "communique", &library);
        program.args(line.split_whitespace()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = program.spawn().unwrap();
        // One that asks for nothing may have ended.
        let _ = child.stdin.take().unwrap().write_all(WORDS.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let said = |clock| ["", " --json"].map(|json| run(clock, &format!("verify {id}.zip --charter-pin {pin}{json}")));
    let now = said("+0d");
    assert_eq!(now[0].0, Some(0), "{now:?}");
    for clock in ["+1825d", "-1825d"] {
        assert_eq!(said(clock), now, "{clock}");
        // Nobody gets in: for this clock the exchange's certificate is not valid.
        let (code, _, told) = run(clock, &format!("show {open} --profile north-official.toml"));
        assert_eq!(code, Some(69), "{told}");
        assert!(told.to_lowercase().contains("expired") && told.contains("this machine's clock"), "{told}");
    }
    // A month ahead he gets in, and the act that he signs is refused with the times that would do.
    let initial = format!("initial {open} --yes --profile north-official.toml --passphrase-fd 0");
    let (code, _, told) = run("+30d", &initial);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("must lie between") && told.contains("set the machine's clock"), "{told}");
    let (code, _, told) = run("+0d", &initial);
    assert_eq!(code, Some(0), "{told}");
    served.stop();
}
