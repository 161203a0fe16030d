//! Runs that break one promise each, which have to be findings.

use std::fs;
use std::path::Path;
use std::time::Duration;

use libtest_mimic::Failed;

use crate::call::Call;
use crate::judge;
use crate::process::Ended;

/// A conversion that was refused as it should be.
fn refused() -> Ended {
    Ended {
        code: Some(1),
        how: String::new(),
        cpu: Duration::from_millis(2),
        memory: 8 << 20,
        stdout: Vec::new(),
        stderr: b"error[KLP-E0001]: damaged.ko: too short\n".to_vec(),
    }
}

/// A check of one module that was refused as it should be.
fn checked(document: &str) -> Ended {
    Ended { stdout: document.as_bytes().to_vec(), stderr: Vec::new(), ..refused() }
}

fn found(ended: &Ended, out: &Path) -> bool {
    let names = ["damaged.ko".to_owned()];
    let judged = judge::process(ended, 10_000, 1)
        .and_then(|()| judge::one(Call::Convert, &names, ended, out));
    judged.is_err()
}

/// Each promise is broken once; without that nothing is found.
pub(crate) fn every_promise() -> Result<(), Failed> {
    let out = tempfile::tempdir()?;
    let out = out.path();
    assert!(!found(&refused(), out), "a good run is a finding");
    let said = |text: &str| text.as_bytes().to_vec();
    let broken = [
        ("a signal", Ended { code: None, ..refused() }),
        ("a panic", Ended { code: Some(101), ..refused() }),
        ("memory", Ended { memory: 65 << 20, ..refused() }),
        ("time", Ended { cpu: Duration::from_millis(10_001), ..refused() }),
        ("too much said", Ended { stderr: b"error: damaged.ko\n".repeat(100_000), ..refused() }),
        ("nothing said", Ended { stderr: Vec::new(), ..refused() }),
        ("no name", Ended { stderr: said("error: damaged.ko\nerror: too short\n"), ..refused() }),
        ("half a result", Ended { stdout: said("\u{7f}ELF"), ..refused() }),
        ("no output", Ended { code: Some(0), ..refused() }),
    ];
    for (what, ended) in broken {
        assert!(found(&ended, out), "{what} is no finding");
    }
    fs::write(out.join("out"), "")?;
    assert!(found(&refused(), out), "an output after an error is no finding");
    assert!(!found(&Ended { code: Some(0), ..refused() }, out), "an output is a finding");
    fs::write(out.join(".klp-convert-1"), "")?;
    assert!(found(&Ended { code: Some(0), ..refused() }, out), "a temporary file is no finding");
    documents();
    Ok(())
}

fn documents() {
    let files = ["a.ko".to_owned()];
    let verdict = |module: &str, accepted: bool, file: &str| {
        format!(
            r#"{{"module": "{module}", "accepted": {accepted},
                "diagnostics": [{{"severity": "error", "file": "{file}"}}]}}"#
        )
    };
    let good = verdict("a.ko", false, "a.ko");
    let judged = |text: String| judge::document(&checked(&text), &files);
    assert_eq!(judged(format!("[{good}]")), Ok(vec![false]));
    for (what, text) in [
        ("two documents", format!("[{good}][{good}]")),
        ("no verdict", "[]".to_owned()),
        ("a verdict too many", format!("[{good}, {good}]")),
        ("a verdict on another file", format!("[{}]", verdict("b.ko", false, "a.ko"))),
        ("an error of another file", format!("[{}]", verdict("a.ko", false, "b.ko"))),
        ("a module that is accepted with errors", format!("[{}]", verdict("a.ko", true, "a.ko"))),
    ] {
        assert!(judged(text).is_err(), "{what} is no finding");
    }
}
