//! What a module may import, by its license, its namespaces and symbol versions.
//!
//! Read from `.modinfo` and the CRC tables; called once for every undefined symbol. What is not
//! known about an export is not held against it. Sources: `kernel/module/main.c` (`resolve_symbol`,
//! `verify_namespace_is_imported`, `module_augment_kernel_taints`), `kernel/module/version.c`
//! (`check_version`), `include/linux/license.h`.

use std::collections::{BTreeSet, HashMap};

use klp_arch::{Errno, KernelError, Object};
use scroll::Endian;

use super::{Bind, ExportedSymbol};
use crate::elf::Module;
use crate::findings::{MODULE_LAYOUT, MODULES, MissingImport, OtherVersion};

/// What the kernel's configuration decides about imports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imports {
    /// Whether modules without versions are loaded (`CONFIG_MODULE_FORCE_LOAD`).
    pub force_load: bool,
    /// Whether a missing namespace import is allowed
    /// (`CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS`).
    pub missing_namespaces: bool,
    /// Whether `MODULE_IMPORT_NS` takes a string (since Linux 6.13), not a bare word.
    pub quoted_namespaces: bool,
}

impl Default for Imports {
    /// As distributions configure it.
    fn default() -> Self {
        Self { force_load: true, missing_namespaces: false, quoted_namespaces: true }
    }
}

/// Licenses that may use GPL-only exports (`license_is_gpl_compatible`).
const GPL_COMPATIBLE: [&[u8]; 6] = [
    b"GPL",
    b"GPL v2",
    b"GPL and additional rights",
    b"Dual BSD/GPL",
    b"Dual MIT/GPL",
    b"Dual MPL/GPL",
];
/// Modules whose license is not trusted (`module_license_offenders`).
const OFFENDERS: [&str; 2] = ["driverloader", "lve"];
/// Bytes of an entry of `__versions`, and of the CRC at its start (`struct modversion_info`).
const VERSION: (usize, usize) = (64, 8);

/// The symbol versions that a module was built with, by name; the first entry of a name counts.
#[derive(Debug)]
enum Versions<'o> {
    /// None at all.
    Absent,
    /// `__versions`.
    Plain(HashMap<&'o [u8], u64>),
    /// `__version_ext_crcs` and `__version_ext_names`.
    Extended(HashMap<&'o [u8], u64>),
}

impl<'o> Versions<'o> {
    fn of(object: &'o Object<'_>) -> Self {
        let body = |name| object.find(name).and_then(|i| object.sections.get(i)).map(|s| &*s.body);
        let mut versions = HashMap::new();
        let pair = (body(b"__version_ext_crcs"), body(b"__version_ext_names"));
        if let (Some(crcs), Some(names)) = pair {
            let crcs = crcs.as_chunks::<4>().0.iter().map(|crc| match object.endian() {
                Endian::Little => u32::from_le_bytes(*crc),
                Endian::Big => u32::from_be_bytes(*crc),
            });
            for (name, crc) in names.split(|&byte| byte == 0).zip(crcs) {
                versions.entry(name).or_insert(u64::from(crc));
            }
            return Self::Extended(versions);
        }
        let Some(table) = body(b"__versions") else { return Self::Absent };
        for entry in table.as_chunks::<{ VERSION.0 }>().0 {
            let Some((crc, name)) = entry.split_first_chunk::<{ VERSION.1 }>() else { continue };
            let crc = match object.endian() {
                Endian::Little => u64::from_le_bytes(*crc),
                Endian::Big => u64::from_be_bytes(*crc),
            };
            let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
            versions.entry(name).or_insert(crc);
        }
        Self::Plain(versions)
    }
}

/// The importing side of a module.
#[derive(Debug)]
pub(super) struct Importer<'o> {
    name: &'o str,
    gpl: bool,
    livepatch: bool,
    namespaces: BTreeSet<&'o [u8]>,
    versions: Versions<'o>,
    imports: Imports,
}

impl<'o> Importer<'o> {
    pub(super) fn new(
        module: &Module<'o>,
        name: &'o str,
        object: &'o Object<'_>,
        imports: Imports,
    ) -> Self {
        let namespaces = module.modinfo().filter(|(key, _)| *key == b"import_ns");
        Self {
            name,
            gpl: has_gpl_license(module) && !OFFENDERS.contains(&name),
            livepatch: module.is_livepatch(),
            namespaces: namespaces.map(|(_, namespace)| namespace).collect(),
            versions: Versions::of(object),
            imports,
        }
    }

    /// Whether the module was built for this `struct module` (`check_modstruct_version`).
    pub(super) fn check_layout(&self, known: &dyn Bind) -> Result<(), KernelError> {
        let crc = known.export(MODULE_LAYOUT).and_then(|export| export.crc);
        self.check_version(MODULE_LAYOUT.as_bytes(), crc)
            .map_err(|message| KernelError { errno: Errno::ENOEXEC, message })
    }

    /// Refuses an import of a namespace that cannot be imported (`setup_modinfo`).
    pub(super) fn check_namespaces(&self) -> Result<(), KernelError> {
        let Some(namespace) = self.namespaces.iter().find(|ns| ns.starts_with(MODULES)) else {
            return Ok(());
        };
        let namespace = String::from_utf8_lossy(namespace);
        let message =
            format!("{}: module tries to import module namespace: {namespace}", self.name);
        Err(KernelError { errno: Errno::EPERM, message })
    }

    /// Whether only the module itself exports a name, as far as is known.
    pub(super) fn is_own(&self, name: &[u8], known: &dyn Bind) -> bool {
        let export = std::str::from_utf8(name).ok().and_then(|name| known.export(name));
        export.is_some_and(|export| export.owner.as_str() == self.name)
    }

    /// What is exported under a name, but by the module itself, whose exports nothing finds while it is loaded
    /// (`find_symbol` skips modules in `MODULE_STATE_UNFORMED`).
    fn export(&self, name: &[u8], known: &dyn Bind) -> Option<ExportedSymbol> {
        let export = known.export(std::str::from_utf8(name).ok()?)?;
        (export.owner.as_str() != self.name).then_some(export)
    }

    /// The address that an undefined symbol gets; `None` if nothing exports it to this module.
    ///
    /// # Errors
    /// The kernel's objection to an export that it found (`resolve_symbol`).
    pub(super) fn resolve(
        &self,
        name: &[u8],
        known: &dyn Bind,
    ) -> Result<Option<u64>, KernelError> {
        let Some(export) = self.export(name, known) else { return Ok(None) };
        if export.gpl == Some(true) && !self.gpl {
            return Ok(None);
        }
        let refuse = |message| KernelError { errno: Errno::EINVAL, message };
        self.check_version(name, export.crc).map_err(refuse)?;
        self.check_namespace(name, &export).map_err(refuse)?;
        Ok(Some(export.address))
    }

    /// `check_version`; the error is what the kernel logs.
    fn check_version(&self, symbol: &[u8], crc: Option<u32>) -> Result<(), String> {
        let Some(crc) = crc.map(u64::from) else { return Ok(()) };
        let (found, must_be_there) = match &self.versions {
            Versions::Absent if self.imports.force_load => return Ok(()),
            Versions::Absent => return Err(String::new()),
            Versions::Plain(versions) => (versions.get(symbol), true),
            Versions::Extended(versions) => (versions.get(symbol), false),
        };
        let what = match found {
            Some(version) if *version != crc => "disagrees about version of symbol",
            None if must_be_there => "no symbol version for",
            _ => return Ok(()),
        };
        Err(format!("{}: {what} {}", self.name, String::from_utf8_lossy(symbol)))
    }

    /// `verify_namespace_is_imported`; the error is what the kernel logs.
    fn check_namespace(&self, symbol: &[u8], export: &ExportedSymbol) -> Result<(), String> {
        let Some(namespace) = export.namespace.as_deref().filter(|ns| !ns.is_empty()) else {
            return Ok(());
        };
        let allowed = self.is_meant(namespace.as_bytes())
            || self.namespaces.contains(namespace.as_bytes())
            || self.imports.missing_namespaces;
        if allowed {
            return Ok(());
        }
        let symbol = String::from_utf8_lossy(symbol);
        Err(format!(
            "{}: module uses symbol ({symbol}) from namespace {namespace}, but does not import it.",
            self.name
        ))
    }

    /// The namespace for which [`resolve`](Self::resolve) refuses an export.
    pub(super) fn missing(&self, name: &[u8], known: &dyn Bind) -> Option<MissingImport> {
        let export = self.export(name, known)?;
        let refused = self.check_version(name, export.crc).is_ok()
            && self.check_namespace(name, &export).is_err();
        let namespace = export.namespace.filter(|_| refused)?;
        Some(MissingImport { namespace, quoted: self.imports.quoted_namespaces })
    }

    /// The export for which [`resolve`](Self::resolve) or [`check_layout`](Self::check_layout) refuses the
    /// module because it was built with another CRC.
    pub(super) fn other_version(&self, name: &[u8], known: &dyn Bind) -> Option<OtherVersion> {
        let symbol = std::str::from_utf8(name).ok()?;
        let export = self.export(name, known)?;
        let crc = export.crc.map(u64::from)?;
        let (Versions::Plain(versions) | Versions::Extended(versions)) = &self.versions else {
            return None;
        };
        let other = *versions.get(name)? != crc;
        let (symbol, owner, livepatch) = (symbol.to_owned(), export.owner, self.livepatch);
        other.then_some(OtherVersion { symbol, owner, livepatch })
    }

    /// Whether a namespace lists this module (`verify_module_namespace`): `-` in a name counts as
    /// `_`, and a name may end in `*`.
    fn is_meant(&self, namespace: &[u8]) -> bool {
        let Some(patterns) = namespace.strip_prefix(MODULES) else { return false };
        let spelled =
            |text: &[u8]| text.iter().map(|&b| if b == b'-' { b'_' } else { b }).collect();
        let name: Vec<u8> = spelled(self.name.as_bytes());
        patterns.split(|&byte| byte == b',').any(|pattern| match pattern.strip_suffix(b"*") {
            Some(start) => name.starts_with(&spelled(start)),
            None => !pattern.is_empty() && name == spelled(pattern),
        })
    }
}

/// Whether a module may use GPL-only exports (`license_is_gpl_compatible`, `module_license_offenders`).
pub(crate) fn is_gpl(module: &Module<'_>) -> bool {
    let name = module.name();
    has_gpl_license(module) && !OFFENDERS.iter().any(|offender| name == Some(offender.as_bytes()))
}

fn has_gpl_license(module: &Module<'_>) -> bool {
    GPL_COMPATIBLE.contains(&module.modinfo_value(b"license").unwrap_or(b"unspecified"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use klp_arch::object::Section;

    fn importer<'a>(namespaces: &[&'a [u8]], versions: Versions<'a>) -> Importer<'a> {
        Importer {
            name: "kvm_intel",
            gpl: true,
            livepatch: true,
            namespaces: namespaces.iter().copied().collect(),
            versions,
            imports: Imports::default(),
        }
    }

    fn export(namespace: Option<&str>) -> ExportedSymbol {
        ExportedSymbol {
            address: 0x1000,
            owner: crate::name::ObjectName::vmlinux(),
            gpl: None,
            namespace: namespace.map(str::to_owned),
            crc: None,
        }
    }

    /// Everything is exported by one object.
    #[derive(Debug)]
    struct Exporter(&'static str);

    impl Bind for Exporter {
        fn export(&self, _: &str) -> Option<ExportedSymbol> {
            let export = export(None);
            Some(ExportedSymbol { owner: self.0.parse().unwrap(), crc: Some(7), ..export })
        }

        fn find(&self, _: &crate::name::KlpSymbol) -> crate::load::Lookup {
            crate::load::Lookup::Unknown
        }
    }

    #[test]
    fn a_module_cannot_import_what_it_exports() {
        let module = importer(&[], Versions::Absent);
        assert_eq!(module.resolve(b"f", &Exporter("kvm")), Ok(Some(0x1000)));
        assert_eq!(module.resolve(b"f", &Exporter("kvm_intel")), Ok(None));
        assert!(module.is_own(b"f", &Exporter("kvm_intel")));
        assert!(!module.is_own(b"f", &Exporter("kvm")));
        let module = importer(&[], Versions::Plain([(&b"f"[..], 8)].into()));
        assert!(module.other_version(b"f", &Exporter("kvm")).is_some());
        assert_eq!(module.other_version(b"f", &Exporter("kvm_intel")), None);
    }

    #[test]
    fn a_namespace_must_be_imported() {
        let module = importer(&[b"CRYPTO"], Versions::Absent);
        assert_eq!(module.check_namespace(b"f", &export(Some("CRYPTO"))), Ok(()));
        assert_eq!(module.check_namespace(b"f", &export(Some(""))), Ok(()));
        let text = "kvm_intel: module uses symbol (f) from namespace NET, but does not import it.";
        assert_eq!(module.check_namespace(b"f", &export(Some("NET"))), Err(text.into()));
        let imports = Imports { missing_namespaces: true, ..Imports::default() };
        let lenient = Importer { imports, ..module };
        assert_eq!(lenient.check_namespace(b"f", &export(Some("NET"))), Ok(()));
    }

    #[test]
    fn a_module_namespace_admits_only_the_modules_that_it_lists() {
        let module = importer(&[], Versions::Absent);
        for (namespace, meant) in [
            ("module:kvm-intel", true),
            ("module:kvm_amd,kvm_intel", true),
            ("module:kvm*", true),
            ("module:*", true),
            ("module:kvm", false),
            ("module:kvm_intel_x", false),
            ("module:", false),
            ("kvm_intel", false),
        ] {
            assert_eq!(module.is_meant(namespace.as_bytes()), meant, "{namespace}");
        }
    }

    #[test]
    fn a_module_namespace_cannot_be_imported() {
        let error = importer(&[b"module:x"], Versions::Absent).check_namespaces().unwrap_err();
        let text = "kvm_intel: module tries to import module namespace: module:x -EPERM";
        assert_eq!(error.to_string(), text);
    }

    fn versions(sections: Vec<Section<'_>>, big_endian: bool) -> Object<'_> {
        let sections = std::iter::once(Section::default()).chain(sections).collect();
        Object { big_endian, sections, ..Object::default() }
    }

    #[test]
    fn a_version_must_be_present_and_match_the_export() {
        for big_endian in [false, true] {
            let crc = if big_endian { 7_u64.to_be_bytes() } else { 7_u64.to_le_bytes() };
            let entry = [&crc[..], b"f", &[0; 55]].concat();
            let table = Section { name: b"__versions", body: entry.into(), ..Section::default() };
            let object = versions(vec![table], big_endian);
            let module = importer(&[], Versions::of(&object));
            assert_eq!(module.check_version(b"f", Some(7)), Ok(()));
            assert_eq!(module.check_version(b"f", None), Ok(()));
            let text = "kvm_intel: disagrees about version of symbol f";
            assert_eq!(module.check_version(b"f", Some(8)), Err(text.into()));
            let text = "kvm_intel: no symbol version for g";
            assert_eq!(module.check_version(b"g", Some(8)), Err(text.into()));
        }
    }

    #[test]
    fn an_extended_table_takes_precedence_and_need_not_have_every_name() {
        let section =
            |name, body: &[u8]| Section { name, body: body.to_vec().into(), ..Section::default() };
        let sections = vec![
            section(b"__versions", &[]),
            section(b"__version_ext_crcs", &[7, 0, 0, 0, 9, 0, 0, 0]),
            section(b"__version_ext_names", b"f\0g\0"),
        ];
        let object = versions(sections, false);
        let module = importer(&[], Versions::of(&object));
        assert_eq!(module.check_version(b"g", Some(9)), Ok(()));
        assert_eq!(module.check_version(b"h", Some(9)), Ok(()));
        assert!(module.check_version(b"f", Some(9)).is_err());
    }

    #[test]
    fn a_module_without_versions_is_refused_where_loads_cannot_be_forced() {
        let module = importer(&[], Versions::Absent);
        assert_eq!(module.check_version(b"f", Some(1)), Ok(()));
        let imports = Imports { force_load: false, ..Imports::default() };
        assert!(Importer { imports, ..module }.check_version(b"f", Some(1)).is_err());
    }
}
