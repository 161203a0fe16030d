//! What modules go through on their way to a kernel: strip, sign-file, depmod, modinfo.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::{Author, PROGRAM, Tree, is_converted, said, trees};

/// What sign-file appends, last.
const SIGNED: &[u8] = b"~Module signature appended~\n";

/// The kernel's `scripts/sign-file`, and a key with its certificate in one file.
struct Signing {
    folder: TempDir,
}

impl Signing {
    fn new(tree: &Tree) -> Self {
        let signing = Self { folder: TempDir::new().unwrap() };
        let source = tree.path.join("source/scripts/sign-file.c");
        let compiler = ["-w", "-I", "source/tools/include/uapi", "-o"];
        let mut cc = Command::new("cc");
        cc.current_dir(&tree.path).args(compiler).arg(signing.program());
        succeeds(cc.arg(source).arg("-lcrypto"));
        let (key, certificate) = (signing.key(), signing.folder.path().join("certificate"));
        let request = ["req", "-new", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=me"];
        let mut openssl = Command::new("openssl");
        succeeds(openssl.args(request).arg("-keyout").arg(&key).arg("-out").arg(&certificate));
        let both = [fs::read(&key).unwrap(), fs::read(certificate).unwrap()].concat();
        fs::write(key, both).unwrap();
        signing
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("sign-file")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("my key.pem")
    }

    fn sign(&self, module: &Path) {
        let mut sign = Command::new(self.program());
        succeeds(sign.arg("sha256").args([&self.key(), &self.key()]).arg(module));
    }
}

fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    said(&output)
}

fn klp_convert(tree: &Tree, words: &[&str], module: &Path) -> Output {
    let mut program = Command::new(PROGRAM);
    program.args(words).arg("--kernel").arg(&tree.path).arg(module).output().unwrap()
}

/// What `check` says of a module, which loads.
fn loads(tree: &Tree, module: &Path) -> String {
    let checked = klp_convert(tree, &["check"], module);
    assert!(checked.status.success(), "{}: {}", tree.machine, said(&checked));
    said(&checked)
}

#[test]
#[ignore = "needs kernels' build trees; .ci/run makes and names them"]
fn a_converted_module_is_a_module_for_strip_modinfo_depmod_and_sign_file() {
    let trees = trees();
    let signing = Signing::new(&trees[0]);
    for tree in &trees {
        let author = Author::new(tree);
        author.make(&[]);
        let root = author.path("root");
        author.make(&["install", &format!("INSTALL_MOD_PATH={}", root.display())]);
        let installed = root.join("lib/modules").join(tree.release()).join("updates/lp.ko");
        let before = loads(tree, &installed);
        let variables = tree.variables();
        let prefix = variables.iter().find_map(|word| word.strip_prefix("CROSS_COMPILE="));
        let strip = format!("{}strip", prefix.unwrap());
        let size = fs::metadata(&installed).unwrap().len();
        succeeds(Command::new(strip).arg("-g").arg(&installed));
        assert!(fs::metadata(&installed).unwrap().len() < size, "{}", tree.machine);
        assert!(is_converted(&installed) && loads(tree, &installed) == before, "{}", tree.machine);
        signing.sign(&installed);
        assert!(fs::read(&installed).unwrap().ends_with(SIGNED));
        assert!(is_converted(&installed));
        loads(tree, &installed);
        let information = succeeds(Command::new("modinfo").arg(&installed));
        for line in ["livepatch:      Y", "signer:         me", "name:           lp"] {
            assert!(information.contains(line), "{}: {information}", tree.machine);
        }
        for name in ["modules.order", "modules.builtin", "modules.builtin.modinfo"] {
            fs::copy(
                tree.path.join(name),
                root.join("lib/modules").join(tree.release()).join(name),
            )
            .unwrap();
        }
        // depmod names symbols that no module and no kernel has; none of a livepatch is among them.
        let mut depmod = Command::new("depmod");
        depmod.args(["-n", "-e", "-F"]).arg(tree.path.join("System.map")).arg("-b").arg(&root);
        let listed = succeeds(depmod.arg(tree.release()));
        assert!(listed.contains("updates/lp.ko:\n"), "{}: {listed}", tree.machine);
        assert!(!listed.contains("WARNING") && !listed.contains("unknown"), "{listed}");
    }
}

#[test]
#[ignore = "needs kernels' build trees; .ci/run makes and names them"]
fn a_module_that_was_signed_before_is_not_converted_in_silence() {
    let trees = trees();
    let tree = &trees[0];
    let (author, signing) = (Author::new(tree), Signing::new(tree));
    author.make(&[]);
    author.write("lp.c", &super::LIVEPATCH.replace("%s %s", "%s: %s"));
    let kbuild = Command::new("make")
        .args(["-s", "-C"])
        .arg(&tree.path)
        .args(tree.variables())
        .arg(format!("M={}", author.folder.path().display()))
        .arg(format!("CFLAGS_MODULE=-I{}/kbuild", env!("CARGO_MANIFEST_DIR")))
        .args(["KBUILD_MODPOST_WARN=1", "modules"])
        .output()
        .unwrap();
    assert!(kbuild.status.success(), "{}", said(&kbuild));
    let module = author.path("lp.ko");
    signing.sign(&module);
    let output = author.path("out.ko").display().to_string();
    let refused = klp_convert(tree, &["convert", "-o", &output], &module);
    assert!(said(&refused).contains("error[KLP-E0003]"), "{}", said(&refused));
    assert!(!Path::new(&output).exists());
    let words = ["convert", "--strip-signature", "-o", &output];
    let converted = klp_convert(tree, &words, &module);
    assert!(converted.status.success(), "{}", said(&converted));
    assert!(is_converted(Path::new(&output)));
    assert!(!fs::read(&output).unwrap().ends_with(SIGNED));
    signing.sign(Path::new(&output));
    loads(tree, Path::new(&output));
}

#[test]
#[ignore = "needs kernels' build trees; .ci/run makes and names them"]
fn install_signs_with_the_key_that_is_given_after_everything_else_and_only_where_it_can() {
    let trees = trees();
    let tree = &trees[0];
    let (author, signing) = (Author::new(tree), Signing::new(tree));
    let root = author.path("root");
    let install = format!("INSTALL_MOD_PATH={}", root.display());
    let key = format!("KLP_SIGN_KEY={}", signing.key().display());
    // These kernels are built without CONFIG_MODULE_SIG, so without a sign-file.
    let said = author.refused(&["install", &install, &key]);
    assert!(
        said.contains("no scripts/sign-file in") && said.contains("CONFIG_MODULE_SIG"),
        "{said}"
    );
    let before = std::env::var_os("PATH").unwrap();
    let path = std::env::split_paths(&before).chain([signing.folder.path().to_owned()]);
    let path = std::env::join_paths(path).unwrap();
    let install = |more: &[&str]| {
        let mut make = author.command(&["install", &install]);
        make.args(more).env("PATH", &path).output().unwrap()
    };
    let output = install(&[&key, "INSTALL_MOD_STRIP=1"]);
    assert!(output.status.success(), "{}", self::said(&output));
    let installed = root.join("lib/modules").join(tree.release()).join("updates/lp.ko");
    assert!(is_converted(&installed) && fs::read(&installed).unwrap().ends_with(SIGNED));
    loads(tree, &installed);
    let output = install(&["KLP_SIGN_KEY=not there"]);
    assert!(!output.status.success() && self::said(&output).contains("not there"), "{output:?}");
    // Without a key in it, signing fails, and so does the installation.
    author.write("bad.pem", "no key\n");
    assert!(!install(&["KLP_SIGN_KEY=bad.pem"]).status.success());
}
