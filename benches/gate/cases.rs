//! The benchmarks.

use klp_arch::machines;

use super::calls;
use super::inputs::SIZES;

/// What is measured.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    /// The program with these words.
    Command(Vec<String>),
    /// A call of the library, by the name of the benchmark.
    Call,
}

/// A benchmark.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// `group/name`.
    pub(crate) name: String,
    pub(crate) work: Work,
    /// What grows with its input, and the size of this one.
    pub(crate) growth: Option<(&'static str, u64)>,
}

fn command(name: impl Into<String>, words: &str) -> Case {
    let words = words.split(' ').map(str::to_owned).collect();
    Case { name: name.into(), work: Work::Command(words), growth: None }
}

fn grows(mut case: Case, what: &'static str, size: u64) -> Case {
    case.growth = Some((what, size));
    case
}

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    let mut all = vec![
        command("convert/small", "convert small.ko -s list.klp -o small.out"),
        command("convert/list", "convert small.ko -s long-list.klp -o list.out"),
        command("convert/map", "convert small.ko -s 8.map -o map.out"),
        command("symbols/build-xz", "symbols build --vmlinux vmlinux-1 --modules packed -o xz.map"),
        command("symbols/build-image", "symbols build --image image.gz -o image.map"),
        command("symbols/lookup", "symbols lookup hidden_kernel_function_0500 -s 8.map"),
        command("symbols/diff", "symbols diff kernel.map 8.map"),
        command("check/rules", "check converted-lp_many_objects.ko"),
        command("check/load", "check converted-lp_module_symbols.ko -s kernel.map"),
        command(
            "check/batch",
            "check converted-lp_vmlinux_inferred.ko converted-lp_module_symbols.ko converted-lp_many_objects.ko \
             converted-lp_many_sections.ko klp_target_a.ko klp_target_b.ko -s kernel.map",
        ),
        command(
            "inspect/json",
            "inspect converted-lp_many_sections.ko -s kernel.map --format json",
        ),
        command("inspect/large", "inspect module-8.ko --format json"),
    ];
    for size in SIZES {
        let words = format!("convert module-{size}.ko -s list.klp -o {size}.out");
        all.push(grows(command(format!("convert/large-{size}"), &words), "convert", size));
        let words = format!(
            "symbols build --vmlinux vmlinux-{size} --modules modules-{size} -o {size}-new.map"
        );
        all.push(grows(command(format!("symbols/build-{size}"), &words), "symbols build", size));
        let words = format!("objdiff module-{size}.ko relinked-{size}.ko");
        all.push(grows(command(format!("objdiff/relinked-{size}"), &words), "objdiff", size));
        let words = format!("match --module relinked-{size}.ko module-{size}.ko");
        all.push(grows(command(format!("match/relinked-{size}"), &words), "match", size));
        let words = format!("convert names-{size}.ko -s 8.map -o names-{size}.out");
        all.push(grows(command(format!("resolve/names-{size}"), &words), "resolve", size));
    }
    let call = |name| Case { name, work: Work::Call, growth: None };
    all.extend([calls::READ, calls::LOOKUP].map(|name| call(name.to_owned())));
    for group in [calls::APPLY, calls::LOAD] {
        all.extend(machines().iter().map(|machine| call(format!("{group}/{}", machine.name))));
    }
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}
