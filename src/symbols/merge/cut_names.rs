//! The names in vmlinux, as the kernel compares them: cut off where Clang's LTO made them ([`Compares`]).

use klp_arch::KernelVersion;

use crate::symbols::data::promoted::{Compares, stems};
use crate::symbols::data::{Object, Scope, SymbolData};

/// Makes of the names in vmlinux, as the sources of one kernel tell them, those that the kernel compares.
pub(crate) fn settle<'a>(told: impl Iterator<Item = &'a mut SymbolData>, scope: Scope<'_>) {
    let (mut release, mut promoted, mut shown, mut all) = (None, false, None, Vec::new());
    for told in told {
        release = release.or(told.kernel.release.as_deref());
        let vmlinux = told.objects.iter_mut().filter(|object| object.name.is_vmlinux());
        all.extend(vmlinux.inspect(|object| {
            promoted |= object.promoted;
            shown = shown.or(object.compares);
        }));
    }
    if let Scope::Names(wanted) = scope {
        release = release.or(wanted.release());
    }
    let version = release.and_then(|release| release.parse().ok());
    let compares = match Compares::of(version.unwrap_or(KernelVersion::NEWEST)) {
        _ if !promoted => Compares::Whole,
        // The order of names is not what 6.1 looks at.
        Compares::Whole if release.is_some() => Compares::Whole,
        by_release => shown.unwrap_or(by_release),
    };
    if promoted || matches!(scope, Scope::Names(_)) {
        all.into_iter().for_each(|object| cut(compares, object, scope));
    }
}

/// Cuts the names of vmlinux, and drops those that are told only because they might have been cut to
/// what is asked about.
fn cut(compares: Compares, vmlinux: &mut Object, scope: Scope<'_>) {
    let text = std::mem::take(&mut vmlinux.text);
    for symbol in &mut vmlinux.symbols {
        symbol.name = symbol.name.first(compares.length(symbol.name.of(&text)));
    }
    if let Scope::Names(wanted) = scope {
        let asked = |name: &[u8]| stems(name).is_none() || wanted.contains(name);
        vmlinux.symbols.retain(|symbol| asked(symbol.name.of(&text)));
    }
    vmlinux.text = text;
}

#[cfg(test)]
mod tests;
