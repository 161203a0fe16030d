//! What a kernel's build tree, or its headers, say about it.

use std::path::{Path, PathBuf};

use super::project::ProjectError;
use crate::symbols::kernel_release;

/// What kbuild and the module loader of a kernel go by: if any of it changes, so may every module.
const DECISIVE: [&str; 5] = [
    "include/config/auto.conf",
    "include/config/kernel.release",
    "include/generated/utsrelease.h",
    "Module.symvers",
    "Makefile",
];

/// A kernel that modules can be built for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Kernel {
    /// Its build tree or headers, without links.
    pub(in crate::cli) folder: PathBuf,
    /// `uname -r`.
    pub(in crate::cli) release: String,
    /// kbuild's `ARCH`.
    pub(in crate::cli) arch: String,
    /// The compiler that it was configured with: `CONFIG_CC_VERSION_TEXT`.
    pub(in crate::cli) compiler: String,
}

impl Kernel {
    /// Reads what a folder says.
    ///
    /// # Errors
    /// It is neither a configured build tree nor a kernel's headers.
    pub(in crate::cli) fn of(folder: &Path) -> Result<Self, ProjectError> {
        let read = |name: &str| {
            std::fs::read_to_string(folder.join(name)).map_err(|error| {
                ProjectError::new(
                    format!("kernel {}: {name}: {error}", folder.display()),
                    "give the kernel's build tree, or install its headers (Debian: \
                     linux-headers-RELEASE, Fedora: kernel-devel, SUSE: kernel-default-devel)",
                )
            })
        };
        let release = read("include/config/kernel.release")?.trim().to_owned();
        let release = kernel_release(folder)
            .map_err(|error| ProjectError::new(error.to_string(), "make it readable"))?
            .unwrap_or(release);
        let configuration = read("include/config/auto.conf")?;
        let arch = arch(&configuration).ok_or_else(|| {
            ProjectError::new(
                format!("kernel {}: include/config/auto.conf has no title", folder.display()),
                "run make olddefconfig there",
            )
        })?;
        let arch = arch.to_owned();
        let value = |line: &str| line.strip_prefix("CONFIG_CC_VERSION_TEXT=").map(str::to_owned);
        let compiler = configuration.lines().find_map(value).unwrap_or_default();
        let compiler = compiler.trim_matches('"').to_owned();
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        Ok(Self { folder, release, arch, compiler })
    }

    /// What `CROSS_COMPILE` was, by the compiler's name: `powerpc64le-linux-gnu-gcc-12 (Debian ...)`.
    pub(in crate::cli) fn compiler_prefix(&self) -> Option<String> {
        let program = self.compiler.split(' ').next()?;
        let (prefix, version) = program.rsplit_once("gcc")?;
        let is_version = version.is_empty() || version.starts_with('-');
        (is_version && !prefix.is_empty()).then(|| prefix.to_owned())
    }

    /// Whether Clang built it.
    pub(in crate::cli) fn is_of_clang(&self) -> bool {
        self.compiler.contains("clang version")
    }

    /// The files on which every module depends.
    pub(super) fn decisive(&self) -> impl Iterator<Item = PathBuf> {
        DECISIVE.iter().map(|name| self.folder.join(name))
    }
}

/// `ARCH` in the title of a configuration: `# Linux/arm64 7.2.13 Kernel Configuration`.
fn arch(configuration: &str) -> Option<&str> {
    let title = configuration.lines().find_map(|line| line.strip_prefix("# Linux/"))?;
    title.split(' ').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(compiler: &str) -> Kernel {
        Kernel {
            folder: PathBuf::new(),
            release: String::new(),
            arch: String::new(),
            compiler: compiler.into(),
        }
    }

    #[test]
    fn the_compilers_name_has_the_prefix() {
        let prefix = |compiler| kernel(compiler).compiler_prefix();
        assert_eq!(prefix("gcc (Debian 12.2.0-14) 12.2.0"), None);
        assert_eq!(prefix("gcc-12 (Debian 12.2.0-14) 12.2.0"), None);
        let cross = Some("x86_64-linux-gnu-".into());
        assert_eq!(prefix("x86_64-linux-gnu-gcc-12 (Debian 12.2.0-14) 12.2.0"), cross);
        let cross = Some("s390x-suse-linux-".into());
        assert_eq!(prefix("s390x-suse-linux-gcc (SUSE Linux) 13.3.0"), cross);
        assert_eq!(prefix("Debian clang version 19.1.7 (3~deb12u1)"), None);
        assert_eq!(prefix(""), None);
        assert!(kernel("Debian clang version 19.1.7 (3~deb12u1)").is_of_clang());
        assert!(!kernel("gcc (GCC) 14.2").is_of_clang());
    }

    #[test]
    fn the_title_names_the_architecture() {
        let text = "#\n# Automatically generated file; DO NOT EDIT.\n# Linux/s390 6.1.176 Kernel Configuration\n#\n";
        assert_eq!(arch(text), Some("s390"));
        assert_eq!(arch("CONFIG_MODULES=y\n"), None);
    }
}
