//! What the livepatch core does with a patch: checks its objects and looks up its functions.
//!
//! It does so for vmlinux and the loaded objects when the module's init function enables the patch,
//! and for other objects when they are loaded. Tables that code fills in are not known and not
//! checked. Source: `kernel/livepatch/core.c:klp_enable_patch`, `klp_init_patch`,
//! `klp_init_object_loaded`, `kernel/livepatch/patch.c:klp_patch_func`,
//! `kernel/module/kallsyms.c:find_kallsyms_symbol`.

use std::collections::BTreeSet;

use bstr::ByteSlice;
use klp_arch::object::SHN_UNDEF;
use klp_arch::{Errno, KernelError};

use super::resolve::not_looked_up;
use super::{Bind, Loaded, MemoryModel, Refused};
use crate::elf::{Location, is_mapping_symbol};
use crate::findings::{About, Consequence, Finding, Rule, Stage};
use crate::name::{KlpSymbol, OBJECT_NAME_MAX, ObjectName, Position, SYMBOL_NAME_MAX};
use crate::patch::{Replaced, TableFunction, Tables};

fn refuse(errno: Errno, message: String, why: String) -> Finding {
    let error = Finding::refused(Stage::Enable, KernelError { errno, message });
    error.explained(why)
}

/// A refusal that concerns one function.
fn refuse_function(
    errno: Errno,
    message: &str,
    why: String,
    object: &ObjectName,
    function: &TableFunction<'_>,
) -> Finding {
    let error = refuse(errno, format!("livepatch: {message}"), why);
    error.in_stage(Stage::Gate).knowing(About::Replaced(Replaced::of(object, function)))
}

impl Loaded<'_> {
    /// Enables the module's patch for vmlinux; objects that are loaded follow with
    /// [`gate_arrives`](Self::gate_arrives).
    ///
    /// # Errors
    /// [`Refused`]: the module is not marked as a livepatch module, or its tables name what the
    /// kernel does not find or accept.
    pub fn enable(&self, known: &dyn Bind) -> Result<(), Refused> {
        if let Tables::Incomplete(why) = self.tables {
            return Err(refuse(Errno::EINVAL, String::new(), why.to_owned()).into());
        }
        let objects = self.tables.objects();
        if objects.iter().any(|object| !object.has_funcs) {
            let why = "an object of the patch has no funcs".to_owned();
            return Err(refuse(Errno::EINVAL, String::new(), why).into());
        }
        self.is_marked()?;
        self.is_usable()?;
        self.init_patch()?;
        self.stops_ftrace();
        let vmlinux = ObjectName::vmlinux();
        self.init_object(&vmlinux, known)?;
        self.patch_object(&vmlinux, known).map_err(|mut error| {
            let patch = &self.info.name;
            error.says(&format!("livepatch: failed to patch object '{vmlinux}'"));
            error.says(&format!("livepatch: failed to enable patch '{patch}'"));
            error
        })?;
        Ok(())
    }

    /// Refuses a module that is not marked as a livepatch.
    pub(super) fn is_marked(&self) -> Result<(), Refused> {
        if self.info.livepatch {
            return Ok(());
        }
        let name = &self.info.name;
        let message = format!("livepatch: module {name} is not marked as a livepatch module");
        let kernel = KernelError { errno: Errno::EINVAL, message };
        Err(Finding::refused(Stage::Gate, kernel).breaks(Rule::LivepatchMarker).into())
    }

    /// The kernel follows every pointer of a patch.
    fn is_usable(&self) -> Result<(), Finding> {
        let Tables::Faulty(why) = self.tables else { return Ok(()) };
        let why = format!("{why}: the kernel reads and writes other memory instead");
        Err(Finding::unnoticed(Stage::Enable, Consequence::Corrupted, why))
    }

    /// The directories of objects and functions (`klp_init_object`, `klp_init_func`).
    fn init_patch(&self) -> Result<(), Finding> {
        let patch = format!("/kernel/livepatch/{}", self.info.name);
        let mut objects = BTreeSet::new();
        for object in self.tables.objects() {
            let name = object.name.map_or_else(|| "vmlinux".into(), |name| name.to_str_lossy());
            if name.len() > OBJECT_NAME_MAX {
                let why = format!("the name of the klp_object '{name}' is too long");
                return Err(refuse(Errno::EINVAL, String::new(), why));
            }
            if name.is_empty() {
                let message = "kobject: attempted to be registered with empty name!".to_owned();
                return Err(refuse(
                    Errno::EINVAL,
                    message,
                    "a klp_object has an empty name".into(),
                ));
            }
            if !objects.insert(name.clone()) {
                return Err(exists(&patch, &name));
            }
            let mut functions = BTreeSet::new();
            for function in &object.functions {
                let old_name = function.old_name.unwrap_or_default();
                if function.old_name.is_none()
                    || !function.has_new_func
                    || old_name.len() > SYMBOL_NAME_MAX
                {
                    let why = format!(
                        "a klp_func of '{name}' lacks old_name or new_func, or its name is too long"
                    );
                    return Err(refuse(Errno::EINVAL, String::new(), why));
                }
                let directory =
                    format!("{},{}", old_name.to_str_lossy(), function.old_sympos.max(1));
                if !functions.insert(directory.clone()) {
                    return Err(exists(&format!("{patch}/{name}"), &directory));
                }
            }
        }
        Ok(())
    }

    fn functions(&self, object: &ObjectName) -> impl Iterator<Item = &TableFunction<'_>> {
        let tables = self.table_objects.get(object).into_iter().flatten();
        let objects = tables.filter_map(|number| self.tables.objects().get(*number));
        objects.flat_map(|table| &table.functions)
    }

    /// Looks up the functions that are replaced in a loaded object (`klp_init_object_loaded`).
    pub(super) fn init_object(&self, object: &ObjectName, known: &dyn Bind) -> Result<(), Finding> {
        for function in self.functions(object) {
            let Some(symbol) = symbol(object, function) else {
                let name = function.old_name.unwrap_or_default().to_str_lossy();
                let why =
                    format!("it replaces '{name}' of '{object}', which no function is called");
                let message = format!("symbol '{name}' not found in symbol table");
                return Err(refuse_function(Errno::EINVAL, &message, why, object, function));
            };
            let name = symbol.symbol.as_str();
            let why = format!("it replaces '{name}' of '{object}', which is not found");
            let position = function.old_sympos;
            if let Some(message) =
                not_looked_up(known.find(&symbol), name, object.as_str(), position)
            {
                return Err(refuse_function(Errno::EINVAL, &message, why, object, function));
            }
            let new = function.new_func.and_then(|location| self.address(location));
            if new.is_some_and(|new| !self.has_size(new)) {
                let message = format!("kallsyms size lookup failed for '{name}' replacement");
                let why = format!("the replacement of '{name}' has no symbol");
                let error = refuse(Errno::ENOENT, format!("livepatch: {message}"), why);
                return Err(error.in_stage(Stage::Gate));
            }
        }
        Ok(())
    }

    /// Hooks the functions that are replaced in an object (`klp_patch_func`).
    pub(super) fn patch_object(
        &self,
        object: &ObjectName,
        known: &dyn Bind,
    ) -> Result<(), Finding> {
        let mut functions = self.functions(object).peekable();
        let stopped = functions.peek().and_then(|_| self.stops_ftrace());
        for function in functions {
            let Some(symbol) = symbol(object, function) else { continue };
            if let Some(why) = stopped {
                let name = symbol.symbol.as_str();
                // What comes after the end of ftrace has no list of places.
                let (errno, message) = if self.init_freed {
                    (Errno::EINVAL, format!("failed to find location for function '{name}'"))
                } else {
                    let message =
                        format!("failed to set ftrace filter for function '{name}' (-19)");
                    (Errno::ENODEV, message)
                };
                return Err(refuse_function(errno, &message, why, object, function));
            }
            if known.is_traceable(&symbol) == Some(false) {
                let name = symbol.symbol.as_str();
                let message = format!("failed to find location for function '{name}'");
                let why = format!("'{name}' of '{object}' cannot be traced");
                return Err(refuse_function(Errno::EINVAL, &message, why, object, function));
            }
        }
        Ok(())
    }

    /// The address of a place in the file.
    pub(super) fn address(&self, at: Location) -> Option<u64> {
        let section = usize::try_from(at.section.get()).ok()?;
        let section = self.info.object.sections.get(section)?;
        Some(section.address().wrapping_add(at.offset))
    }

    /// Whether the kernel finds a symbol at or before an address: in the same region, or, where a
    /// module is two blocks, anywhere (Linux 6.1; 6.12 and 7.2 look in the region).
    fn has_size(&self, address: u64) -> bool {
        let regions = self.regions();
        let around = |(_, base, bytes): &(_, u64, &[u8])| {
            let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            address.checked_sub(*base).is_some_and(|offset| offset < size)
        };
        let Some((_, base, _)) = { regions }.find(around) else { return false };
        let lowest = if self.kernel.layouts == MemoryModel::Regions { base } else { 1 };
        self.info.object.symbols.iter().skip(1).any(|symbol| {
            symbol.st_shndx != SHN_UNDEF
                && (lowest..=address).contains(&symbol.st_value)
                && !symbol.name.is_empty()
                && !is_mapping_symbol(symbol.name)
        })
    }
}

/// What the kernel looks up; `None` if no symbol can have the name.
fn symbol(object: &ObjectName, function: &TableFunction<'_>) -> Option<KlpSymbol> {
    let name = function.old_name?.to_str().ok()?;
    let position = u32::try_from(function.old_sympos).unwrap_or(u32::MAX);
    let position = Position::from(position);
    Some(KlpSymbol { owner: object.clone(), symbol: name.parse().ok()?, position })
}

/// A directory that exists already (`sysfs_warn_dup`, `kobject_add_internal`).
fn exists(parent: &str, name: &str) -> Finding {
    let message = format!(
        "sysfs: cannot create duplicate filename '{parent}/{name}'\nkobject: kobject_add_internal \
         failed for {name} with -EEXIST, don't try to register things with the same name in the \
         same directory."
    );
    refuse(Errno::EEXIST, message, format!("'{name}' occurs twice"))
}
