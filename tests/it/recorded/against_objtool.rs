//! The same modules for objtool's own post-link.

use std::path::Path;
use std::process::Command;

use klp_convert::comparison::compare;
use klp_convert::convert::convert;
use klp_convert::options::Options;
use klp_convert::symbols::Sources;

use super::{Generation, meaning, objtool, options};
use crate::gates::converted;
use crate::machine::machines;
use crate::tool::Sandbox;

#[test]
#[ignore = "needs KLP_OBJTOOL, the path of an objtool with klp; .ci/run builds it"]
fn objtool_finishes_modules_as_we_do() {
    let program = std::env::var_os("KLP_OBJTOOL").expect("KLP_OBJTOOL");
    let machine = machines().into_iter().find(|machine| machine.name == "x86_64").unwrap();
    let mut compared = 0;
    for name in machine.convertible() {
        let intermediate = objtool(&machine, &converted(&machine, &name), Generation::Gate, false);
        let bench = Sandbox::new();
        let file = bench.file(&name, &intermediate);
        let post_link = [Path::new("klp"), Path::new("post-link"), &file];
        let ended = Command::new(&program).args(post_link).output().unwrap();
        assert!(ended.status.success(), "{name}: {}", String::from_utf8_lossy(&ended.stderr));
        let theirs = std::fs::read(&file).unwrap();
        let ours = convert(&intermediate, &Sources::new(), &options()).unwrap().bytes;
        assert_eq!(compare(&theirs, &ours).unwrap(), [], "{name}");
        let keeps = Options { keep_intermediates: true, ..options() };
        let kept = convert(&intermediate, &Sources::new(), &keeps).unwrap().bytes;
        assert_eq!(meaning(&kept), meaning(&theirs), "{name}");
        compared += 1;
    }
    println!("{compared} modules as objtool finishes them");
    assert!(compared >= 15, "{compared}");
}
