//! Faults, each of which breaks one rule of the kernel, and what the verdict must be.
//!
//! What the kernel does is from its sources, which the rules name ([`Rule::source`]).

use klp_convert::check::Conclusion::{self, LoadsWrong, Refused};
use klp_convert::findings::Rule;

use super::livepatch::{Livepatch, PATCHED};
use crate::skeleton::{CODE, DATA, READ_ONLY};

/// What must be said.
#[derive(Debug, Clone, Copy)]
pub(super) enum Says {
    /// This rule is broken.
    Breaks(Rule),
    /// A finding in these words.
    Words(&'static str),
}

use Says::{Breaks, Words};

/// A fault.
pub(super) struct Fault {
    /// What is wrong.
    pub(super) what: &'static str,
    /// Puts it into a valid livepatch; `false` if the machine has no such rule.
    pub(super) put: fn(&mut Livepatch) -> bool,
    pub(super) conclusion: Conclusion,
    pub(super) says: Says,
}

const fn fault(
    what: &'static str,
    put: fn(&mut Livepatch) -> bool,
    conclusion: Conclusion,
    says: Says,
) -> Fault {
    Fault { what, put, conclusion, says }
}

/// A klp relocation of code that names a symbol of this name.
fn uses(patch: &mut Livepatch, gate: &str, symbol: &str) -> bool {
    let symbol = patch.marked(symbol);
    let (entry, text) = (patch.call(symbol), patch.text);
    patch.gated(gate, (".text", text), entry);
    true
}

/// A pointer to `gamma` in a section of this name, which the patched object gates.
fn gated_pointer(patch: &mut Livepatch, name: &str, flags: u64) -> bool {
    let (section, gamma) = (patch.section(name, flags), patch.gamma);
    let entry = patch.pointer(gamma);
    patch.gated(PATCHED, (name, section), entry);
    true
}

/// All faults.
pub(super) const FAULTS: &[Fault] = &[
    fault(
        "no livepatch= in .modinfo",
        |patch| {
            let modinfo = patch.named(".modinfo");
            let text = String::from_utf8_lossy(&modinfo.body).replace("livepatch=Y", "livepitch=Y");
            modinfo.body = text.into_bytes();
            let (entry, text) = (patch.call(patch.alpha), patch.text);
            patch.gated("vmlinux", (".text", text), entry);
            true
        },
        // It enables nothing, which would be refused.
        LoadsWrong,
        Breaks(Rule::LivepatchMarker),
    ),
    fault(
        "a second .modinfo",
        |patch| {
            patch.builder.progbits(".modinfo", b"author=me\0");
            true
        },
        Refused,
        Breaks(Rule::ModuleSections),
    ),
    fault(
        "no struct module",
        |patch| {
            patch.named(".gnu.linkonce.this_module").name = ".gnu.linkonce.that_module".into();
            true
        },
        Refused,
        Breaks(Rule::ModuleSections),
    ),
    fault(
        "a section that the machine requires has another name",
        |patch| {
            let Some(name) = patch.machine.required_sections.first() else { return false };
            patch.named(name).name = ".elsewhere".into();
            true
        },
        Refused,
        Breaks(Rule::MachineSections),
    ),
    fault(
        "a writable and executable section",
        |patch| patch.section(".both", CODE | DATA) != 0,
        Refused,
        Breaks(Rule::WriteExecute),
    ),
    fault(
        "two loaded sections of a name",
        |patch| patch.section(".twin", DATA) < patch.section(".twin", DATA),
        Refused,
        Breaks(Rule::SectionTwins),
    ),
    fault(
        "a common symbol",
        |patch| patch.builder.reserved_symbol("common", 0xfff2) != 0,
        Refused,
        Breaks(Rule::CommonSymbol),
    ),
    fault(
        "a klp section without an object in its name",
        |patch| uses(patch, "", ".klp.sym.target.gamma,0"),
        Refused,
        Breaks(Rule::SectionName),
    ),
    fault(
        "a klp section that is not loaded",
        |patch| {
            let (entry, text) = (patch.call(patch.gamma), patch.text);
            patch.gated(PATCHED, (".text", text), entry).flags &= !2;
            true
        },
        LoadsWrong,
        Breaks(Rule::SectionLoaded),
    ),
    fault(
        "a klp section for a section that is not loaded",
        |patch| gated_pointer(patch, ".comment", 0),
        LoadsWrong,
        Breaks(Rule::TargetLoaded),
    ),
    fault(
        "a klp section for a section that is freed",
        |patch| patch.machine.frees_init_sections && gated_pointer(patch, ".init.data", DATA),
        LoadsWrong,
        Breaks(Rule::TargetInit),
    ),
    fault(
        "a klp section for the percpu template",
        |patch| gated_pointer(patch, ".data..percpu", DATA),
        LoadsWrong,
        Breaks(Rule::TargetPercpu),
    ),
    fault(
        "a klp section for a table that is sorted before",
        |patch| gated_pointer(patch, "__ex_table", READ_ONLY),
        LoadsWrong,
        Breaks(Rule::TargetConsumed),
    ),
    fault(
        "a klp relocation of an ordinary symbol",
        |patch| {
            let (entry, text) = (patch.call(patch.own), patch.text);
            patch.gated(PATCHED, (".text", text), entry);
            true
        },
        Refused,
        Breaks(Rule::SymbolMarked),
    ),
    fault(
        "a klp symbol without a position",
        |patch| uses(patch, PATCHED, ".klp.sym.target.gamma"),
        Refused,
        Breaks(Rule::SymbolName),
    ),
    fault(
        "a klp symbol whose name is too long",
        |patch| {
            let name = format!(".klp.sym.target.{},0", "g".repeat(512));
            uses(patch, PATCHED, &name)
        },
        Refused,
        Breaks(Rule::SymbolName),
    ),
    fault(
        "a symbol of vmlinux in a klp section of another object",
        |patch| uses(patch, PATCHED, ".klp.sym.vmlinux.alpha,0"),
        Refused,
        Breaks(Rule::VmlinuxSymbol),
    ),
    fault(
        "an ordinary relocation of a klp symbol",
        |patch| {
            let (entry, text) = (patch.call(patch.alpha), patch.text);
            patch.builder.rela(".rela.text", text, &[entry]);
            true
        },
        LoadsWrong,
        Breaks(Rule::PlainRelocation),
    ),
    fault(
        "a relocation of no type",
        |patch| {
            let (mut entry, text) = (patch.call(patch.alpha), patch.text);
            entry.2 = 0xffff;
            patch.gated("vmlinux", (".text", text), entry);
            true
        },
        Refused,
        Breaks(Rule::RelocationType),
    ),
    fault(
        "a relocation after the end of its section",
        |patch| {
            let (mut entry, data) = (patch.pointer(patch.alpha), patch.data);
            entry.0 = 0x10_0000;
            patch.gated("vmlinux", (".data", data), entry);
            true
        },
        LoadsWrong,
        Breaks(Rule::Place),
    ),
    fault(
        "two relocations of the same bytes",
        |patch| {
            let (entry, text) = (patch.call(patch.alpha), patch.text);
            patch.gated("vmlinux", (".text", text), entry);
            let mut again = patch.call(patch.gamma);
            again.0 = entry.0;
            patch.gated(PATCHED, (".text", text), again);
            patch.machine.needs_untouched_place
        },
        Refused,
        Breaks(Rule::PlaceTwice),
    ),
    fault(
        "a klp symbol that the kernel has not",
        |patch| uses(patch, "vmlinux", ".klp.sym.vmlinux.missing,0"),
        Refused,
        Words("missing"),
    ),
    fault(
        "a klp symbol without the position that its name needs",
        |patch| uses(patch, "vmlinux", ".klp.sym.vmlinux.beta,0"),
        Refused,
        Words("beta"),
    ),
    fault(
        "a klp symbol with a position that its name has not",
        |patch| uses(patch, PATCHED, ".klp.sym.target.twice,3"),
        Refused,
        Words("twice"),
    ),
    fault(
        "a symbol that nothing exports",
        |patch| {
            let symbol = patch.builder.symbol("unexported", 0, 0);
            let (entry, data) = (patch.pointer(symbol), patch.data);
            patch.builder.rela(".rela.data.more", data, &[entry]);
            true
        },
        Refused,
        Words("unexported"),
    ),
    fault(
        "a gate that the patch does not have",
        |patch| uses(patch, "other", ".klp.sym.other.omega,0"),
        LoadsWrong,
        Words("'other'"),
    ),
    fault(
        "a pointer into a section that is not loaded",
        |patch| {
            let comment = patch.section(".comment", 0);
            let symbol = patch.builder.symbol("remark", comment, 0);
            let (entry, data) = (patch.pointer(symbol), patch.data);
            patch.builder.rela(".rela.data.more", data, &[entry]);
            true
        },
        LoadsWrong,
        Words("refers to .comment"),
    ),
    fault(
        "a struct module that the kernel cannot write",
        |patch| {
            patch.named(".gnu.linkonce.this_module").flags = READ_ONLY;
            true
        },
        LoadsWrong,
        Words("struct module"),
    ),
    fault(
        "a table of pointers without pointers",
        |patch| {
            let table = patch.section("_ftrace_events", DATA);
            let at = usize::try_from(table - 1).unwrap_or_default();
            patch.builder.sections.get_mut(at).is_some_and(|table| {
                table.body.fill(0x11);
                true
            })
        },
        LoadsWrong,
        Words("_ftrace_events"),
    ),
    fault(
        "an ordinary symbol that is marked",
        |patch| {
            let symbol = patch.marked("ordinary");
            let (entry, text) = (patch.call(symbol), patch.text);
            patch.gated(PATCHED, (".text", text), entry);
            true
        },
        Refused,
        Breaks(Rule::SymbolName),
    ),
];
