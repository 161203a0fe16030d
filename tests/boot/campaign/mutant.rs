//! Modules with random faults, and the verdicts on them.

use std::fmt;

use klp_arch::Fault;
use klp_convert::check::{self, Conclusion};
use klp_convert::elf::Module;
use klp_convert::findings::{Consequence, Occasion, Refusal, Warning};
use klp_convert::options::Options;
use klp_convert::patch::{PatchedObjects, TableObject, Tables};

use crate::failure::Failure;
use crate::memory::modinfo;
use crate::mutation::Mutation;
use crate::patch::Random;
use crate::workshop::Workshop;

/// Which other modules are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::Display)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Order {
    /// None.
    Alone,
    /// The modules that livepatches patch, before it.
    After,
    /// The same, after it.
    Before,
    /// Only the one that needs none of them, after it.
    Without,
}

/// The modules that others are made from.
#[derive(Debug)]
pub(crate) struct Bases {
    names: Vec<(String, Vec<Order>)>,
    types: Vec<u32>,
}

/// A module with faults, and what `check` says of it.
#[derive(Debug, Clone)]
pub(crate) struct Mutant {
    pub(crate) number: usize,
    pub(crate) base: String,
    pub(crate) changes: Vec<String>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) order: Order,
    /// Whether something else stands where instructions refer to data or functions.
    pub(crate) in_code: bool,
    /// Whether other relocations are applied to instructions.
    pub(crate) other_code: bool,
    /// Orders in which the base is accepted.
    possible: Vec<Order>,
    pub(crate) verdict: Verdict,
}

/// What `check` says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verdict {
    /// `None`: it is not for this kernel, or not a module.
    pub(crate) conclusion: Option<Conclusion>,
    /// The numbers that the kernel may return.
    pub(crate) errnos: Vec<u32>,
    /// Codes and messages, or why there is no conclusion.
    says: String,
    corrupts: bool,
    /// Whether it says that the patch is not known.
    pub(crate) not_known: bool,
    /// Whether it says that the module loads only while another is loaded.
    pub(crate) only_with: bool,
    /// Whether it says that some addresses are refused.
    pub(crate) somewhere: bool,
    /// Whether it refuses only what depends on other modules: on the distance to one, or on one that is not loaded.
    pub(crate) of_others: bool,
}

impl Bases {
    /// Modules of the workshop that need nothing but the modules that they patch.
    pub(crate) fn of(workshop: &Workshop) -> Result<Self, Failure> {
        let mut names = Vec::new();
        for (name, bytes) in workshop.files() {
            let module = Module::parse_as_kernel(bytes)?;
            let depends = modinfo(&module, "depends").unwrap_or_default();
            let is_target = super::TARGETS.contains(&name);
            // The witness of the other cases, modules that come in pairs, and one that is large.
            let other = ["klp_memory", "late_", "lp_thousand", "lp_cross_module"];
            let known = depends.split(',').all(|d| d.is_empty() || super::TARGETS.contains(&d));
            if other.iter().any(|other| name.starts_with(other))
                || !known
                || waits(&module, workshop)
            {
                continue;
            }
            let orders = match (is_target, modinfo(&module, "livepatch").is_some(), &*depends) {
                (true, ..) if name == "klp_target_b" => vec![Order::Alone],
                // It needs B.
                (true, ..) => continue,
                (_, true, "") => vec![Order::After, Order::Before],
                _ => vec![Order::After],
            };
            // What `check` does not call loads as it is, is no base.
            let verdict = Verdict::on(workshop, bytes)?;
            if verdict.conclusion == Some(Conclusion::Loads) {
                names.push((name.to_owned(), orders));
            }
        }
        let types = workshop.kernel.machine.backend().rows.iter().map(|row| row.number).collect();
        Ok(Self { names, types })
    }

    /// The module of a number.
    pub(crate) fn mutant(
        &self,
        workshop: &Workshop,
        seed: u64,
        number: usize,
    ) -> Result<Mutant, Failure> {
        let mut random = Random((seed << 40) ^ (number as u64).wrapping_mul(0x9e37_79b9));
        let (base, possible) = &self.names[random.below(self.names.len())];
        // Loading the targets anew takes several times as long.
        let order = possible[usize::from(random.below(4) == 0) % possible.len()];
        let count = [1, 1, 1, 2, 3][random.below(5)];
        let mut mutation = Mutation::new(workshop.file(base)?.to_vec(), &self.types, &mut random);
        let changes: Vec<_> = (0..count).map(|_| mutation.change()).collect();
        let of_code = [".rela.init.text [", ".rela.text [", ".rela.exit.text [", ".rela.toc ["];
        let in_code = changes.iter().any(|change| of_code.iter().any(|of| change.contains(of)));
        let tables = ["(.rela.init.text): ", "(.rela.text): ", "(.rela.exit.text): "];
        let other_code = changes.iter().any(|change| tables.iter().any(|of| change.contains(of)));
        let bytes = mutation.bytes;
        let verdict = Verdict::on(workshop, &bytes)?;
        let (base, possible) = (base.clone(), possible.clone());
        Ok(Mutant { number, base, changes, bytes, order, in_code, other_code, possible, verdict })
    }
}

/// Whether a module waits for others than the targets, which are never there.
fn waits(module: &Module<'_>, workshop: &Workshop) -> bool {
    let there = |name: &str| name == "vmlinux" || super::TARGETS.contains(&name);
    let tables = Tables::of(module, workshop.kernel.machine.backend());
    let mut objects = tables.objects().iter().filter_map(TableObject::object);
    let gates = module.sections().filter_map(|section| {
        let name = std::str::from_utf8(section.name).ok()?.strip_prefix(".klp.rela.")?;
        Some(name.split('.').next().unwrap_or_default().to_owned())
    });
    let mut gates = gates.collect::<Vec<_>>().into_iter();
    objects.any(|object| !there(object.as_str())) || gates.any(|gate| !there(&gate))
}

impl Mutant {
    /// The module, once for each order in which it may be tried.
    pub(crate) fn in_every_order(&self) -> Vec<Self> {
        let without = self.possible.contains(&Order::Before).then_some(Order::Without);
        let orders = self.possible.iter().copied().chain(without);
        orders.map(|order| Self { order, ..self.clone() }).collect()
    }
}

impl Verdict {
    fn on(workshop: &Workshop, bytes: &[u8]) -> Result<Self, Failure> {
        let patched = super::TARGETS.map(|name| name.parse().unwrap());
        let patched = PatchedObjects { objects: patched.into() };
        let options = Options { patched, ..Options::default() };
        Ok(match check::check(bytes, &workshop.map()?, &options) {
            Err(why) => {
                let says = why.to_string();
                Self { says, ..Self::default() }
            }
            Ok(verdict) => {
                let findings = verdict.findings.iter();
                let errnos = findings.clone().filter_map(|finding| finding.kernel.as_ref());
                let errnos = errnos.map(|kernel| kernel.errno.number().into()).collect();
                // Code without its relocations may do anything, too.
                let corrupts = findings.clone().any(|finding| {
                    finding.consequence == Some(Consequence::Corrupted)
                        || matches!(finding.refusal(), Some(Refusal::PassedOver(_)))
                });
                let says: Vec<_> = verdict
                    .diagnostics("module")
                    .iter()
                    .map(|diagnostic| {
                        let code = diagnostic.code;
                        format!("  {code} {} | {}", diagnostic.message, diagnostic.help.join(" | "))
                    })
                    .collect();
                let conclusion = Some(verdict.conclusion());
                let not_known = findings
                    .clone()
                    .any(|finding| finding.warning() == Some(&Warning::TablesAtRunTime));
                let only_with = findings.clone().any(|finding| {
                    matches!(finding.warning(), Some(Warning::LoadsOnlyWith { .. }))
                });
                let somewhere = findings.clone().any(|finding| {
                    finding.is_rare() && finding.consequence == Some(Consequence::Refused)
                });
                let of_others = findings
                    .filter(|finding| Conclusion::of(finding) == Conclusion::Refused)
                    .all(|finding| {
                        let late = *finding.occasion() != Occasion::Load;
                        late && matches!(finding.fault(), Some(Fault::Overflow { .. }))
                            || matches!(
                                finding.refusal(),
                                Some(Refusal::UndeclaredDependency { .. })
                            )
                    });
                Self {
                    conclusion,
                    errnos,
                    says: says.join("\n"),
                    corrupts,
                    not_known,
                    only_with,
                    somewhere,
                    of_others,
                }
            }
        })
    }

    /// Whether the module may make the kernel write where it should not.
    pub(crate) fn corrupts(&self) -> bool {
        self.corrupts
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.conclusion {
            Some(conclusion) => write!(f, "check: {conclusion}\n{}", self.says),
            None => write!(f, "check: {}", self.says),
        }
    }
}
