//! What packages install: `packaging/files`, the Debian package's assets, and the files of the RPM.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::tool::{Run, Sandbox, run};

const MANIFEST: &str = include_str!("../../Cargo.toml");
const SPEC: &str = include_str!("../../packaging/klp-convert.spec");

/// What `packaging/files` installs, by paths below the root.
fn installed(bench: &Sandbox) -> BTreeSet<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/files");
    let mut command = Command::new(script);
    command.arg(env!("CARGO_BIN_EXE_klp-convert")).arg(bench.path("all"));
    Run::of(command.output().expect("bash starts")).done();
    let files = walkdir::WalkDir::new(bench.path("all")).into_iter().map(|entry| entry.unwrap());
    let files = files.filter(|entry| entry.file_type().is_file());
    files
        .map(|file| {
            file.path().strip_prefix(bench.path("all")).unwrap().to_str().unwrap().to_owned()
        })
        .collect()
}

/// The first string of each of the Debian package's assets: what is packed.
fn assets() -> Vec<String> {
    let manifest: toml::Table = MANIFEST.parse().unwrap();
    let assets = manifest["package"]["metadata"]["deb"]["assets"].as_array().unwrap();
    assets.iter().map(|asset| asset[0].as_str().unwrap().to_owned()).collect()
}

/// The lines of the spec's section `%files`.
fn listed() -> Vec<&'static str> {
    let section = SPEC.split_once("\n%files\n").unwrap().1.split_once("\n\n").unwrap().0;
    section.lines().collect()
}

#[test]
fn each_asset_of_the_debian_package_is_there() {
    let bench = Sandbox::new();
    let installed = installed(&bench);
    let (made, kept): (Vec<_>, Vec<_>) =
        assets().into_iter().partition(|asset| asset.starts_with("target/"));
    assert_eq!(
        made,
        ["target/packaging/files/usr/bin/klp-convert", "target/packaging/files/usr/share/**/*"]
    );
    for file in &installed {
        assert!(
            file == "usr/bin/klp-convert" || file.starts_with("usr/share/"),
            "{file}: in no asset"
        );
    }
    for file in kept.iter().map(String::as_str).chain(["packaging/copyright"]) {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(file).is_file(), "{file}: not there");
    }
}

#[test]
fn the_rpm_has_the_files_of_the_debian_package() {
    let bench = Sandbox::new();
    let mut installed = installed(&bench);
    let licences: Vec<_> =
        listed().into_iter().filter_map(|l| l.strip_prefix("%license ")).collect();
    assert!(assets().iter().any(|asset| asset == "THIRD-PARTY-NOTICES"), "{:?}", assets());
    for line in listed() {
        if let Some(documents) = line.strip_prefix("%doc ") {
            let documents: BTreeSet<_> = documents.split(' ').map(str::to_owned).collect();
            let is_document = |asset: &String| {
                !asset.starts_with("target/")
                    && !licences.iter().any(|line| line.split(' ').any(|licence| licence == asset))
            };
            let assets = assets().into_iter().filter(is_document);
            assert_eq!(documents, assets.collect::<BTreeSet<_>>());
        } else if let Some(licences) = line.strip_prefix("%license ") {
            for licence in licences.split(' ') {
                assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(licence).is_file(), "{licence}");
            }
        } else {
            // Debian's zsh looks for completions elsewhere; rpm compresses the manual page.
            let path = line
                .replace("%{_bindir}", "usr/bin")
                .replace("%{_datadir}", "usr/share")
                .replace("%{_mandir}", "usr/share/man")
                .replace("zsh/site-functions", "zsh/vendor-completions");
            let path = path.trim_end_matches('*');
            let before = installed.len();
            installed.retain(|file| {
                if path.ends_with('/') { !file.starts_with(path) } else { file != path }
            });
            assert!(installed.len() < before, "{line}: packaging/files does not make it");
        }
    }
    assert!(installed.is_empty(), "not in %files: {installed:?}");
}

#[test]
fn packages_install_what_the_command_writes() {
    let bench = Sandbox::new();
    let installed = installed(&bench);
    assert!(
        installed.contains("usr/share/klp-convert/samples/klp_inferred/Kbuild"),
        "{installed:?}"
    );
    run(["kbuild", "-o", bench.path("own").to_str().unwrap()]).done();
    for name in ["klp.mk", "klp-convert.h"] {
        let packed = std::fs::read(bench.path("all/usr/share/klp-convert").join(name)).unwrap();
        assert_eq!(packed, std::fs::read(bench.path("own").join(name)).unwrap());
    }
    let page = std::fs::read_to_string(bench.path("all/usr/share/man/man1/klp-convert.1")).unwrap();
    assert_eq!(page, run(["man"]).done().stdout);
}

#[test]
fn all_packages_have_the_version_of_the_crate() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(SPEC.contains(&format!("\nVersion:        {version}\n")));
    assert!(SPEC.contains(&format!(" - {version}-1\n")));
}
