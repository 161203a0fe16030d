//! The names in vmlinux, as the kernel compares them: truncated where Clang's LTO created them
//! ([`Compares`]).

use klp_arch::KernelVersion;

use crate::symbols::data::promoted::{Compares, stems};
use crate::symbols::data::{Object, Scope, SymbolData};

/// Replaces the names in vmlinux, as read from the sources of one kernel, by those that the kernel
/// compares.
pub(crate) fn settle<'a>(sources: impl Iterator<Item = &'a mut SymbolData>, scope: Scope<'_>) {
    let (mut release, mut promoted, mut shown, mut all) = (None, false, None, Vec::new());
    for data in sources {
        release = release.or(data.kernel.release.as_deref());
        let vmlinux = data.objects.iter_mut().filter(|object| object.name.is_vmlinux());
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
        // 6.1 does not use the order of names.
        Compares::Whole if release.is_some() => Compares::Whole,
        by_release => shown.unwrap_or(by_release),
    };
    if promoted || matches!(scope, Scope::Names(_)) {
        all.into_iter().for_each(|object| cut(compares, object, scope));
    }
}

/// Truncates the names of vmlinux, and drops those that were read only because they might have been
/// truncated to a name in scope.
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
