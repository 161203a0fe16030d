//! The files of a livepatch that is started.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Part, Placed, Request};
use crate::name::ObjectName;

/// The licence of files that have none of their own.
const LICENCE: &str = "GPL-2.0";

/// A file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name in the livepatch's folder.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// The C files of a livepatch, and Kbuild: a file for each source file, as in the kernel, and the tables.
/// The tables are a module's, and code of vmlinux is compiled as that of the kernel itself.
pub(super) fn files(request: &Request<'_>, parts: &[Part<'_>]) -> Vec<File> {
    let Request { name, stubs, .. } = request;
    let header = stubs.header();
    let include = header.as_ref().map_or(String::new(), |_| format!("#include \"{name}.h\"\n"));
    let mut files = Vec::new();
    for part in parts {
        let text = format!("{}{include}\n{}", head(part, name), body(part));
        files.push(File { name: format!("{}.c", copy_of(part)), text });
    }
    let placed: Vec<_> = parts.iter().flat_map(|part| part.functions.iter().copied()).collect();
    let text = format!(
        "// SPDX-License-Identifier: {LICENCE}\n/* The tables of {name}, a livepatch. */\n\
         #include <linux/livepatch.h>\n#include <linux/module.h>\n\n#include <klp-convert.h>\n\
         {include}\n{}",
        tables(request, &placed)
    );
    files.push(File { name: format!("{name}_tables.c"), text });
    if let Some(text) = header {
        let text = format!("/* SPDX-License-Identifier: {LICENCE} */\n{text}");
        files.push(File { name: format!("{name}.h"), text });
    }
    files.push(File { name: "Kbuild".into(), text: kbuild(name, parts) });
    files
}

/// The name of the file with the functions of a source file, without suffix.
fn copy_of(part: &Part<'_>) -> String {
    part.origin.file.trim_end_matches(".c").replace('/', "_")
}

/// The start of a file with copied functions: licence, origin, includes.
fn head(part: &Part<'_>, name: &str) -> String {
    let first = part.origin.text.lines().next().unwrap_or_default();
    let licence = if first.contains("SPDX-License-Identifier:") {
        first.to_owned()
    } else {
        format!("// SPDX-License-Identifier: {LICENCE}")
    };
    let functions = part.functions.iter().map(|placed| format!("{}()", placed.function));
    let functions: Vec<_> = functions.collect();
    let release = part.origin.release.as_ref().map_or(String::new(), |r| format!(" of Linux {r}"));
    let includes = part.extraction.text.get(..part.extraction.includes).unwrap_or_default();
    let in_kernel = part.functions.iter().any(|placed| placed.object.is_vmlinux());
    let undefine =
        if in_kernel { "#undef MODULE /* compiled as in the kernel itself */\n\n" } else { "" };
    format!(
        "{licence}\n/*\n * {name}: {}\n *\n * Copied from {}{release} by klp-convert new, with what it \
         needs of that file.\n */\n{undefine}{}\n\n#include <klp-convert.h>\n",
        functions.join(", "),
        part.origin.file,
        includes.trim_end(),
    )
}

/// The copied functions, with what they need.
fn body<'p>(part: &'p Part<'_>) -> &'p str {
    let text = part.extraction.text.get(part.extraction.includes..).unwrap_or_default();
    text.trim_start_matches('\n')
}

/// The tables of the patch, and what registers it.
fn tables(request: &Request<'_>, placed: &[&Placed]) -> String {
    let mut text = "/* Only their addresses are used here. */\n".to_owned();
    for Placed { replacement, .. } in placed {
        let _ = writeln!(text, "extern void {replacement}(void);");
    }
    text.push('\n');
    text.push_str(&request.stubs.before_tables());
    let objects: BTreeSet<&ObjectName> = placed.iter().map(|placed| &placed.object).collect();
    // vmlinux first, as the kernel does.
    let (vmlinux, modules): (Vec<_>, Vec<_>) = objects.into_iter().partition(|o| o.is_vmlinux());
    let objects: Vec<_> = vmlinux.into_iter().chain(modules).collect();
    for object in &objects {
        let _ = writeln!(text, "static struct klp_func lp_{object}_functions[] = {{");
        for Placed { function, replacement, .. } in placed.iter().filter(|p| p.object == **object) {
            let _ =
                writeln!(text, "\t{{ .old_name = \"{function}\", .new_func = {replacement} }},");
        }
        text.push_str("\t{ }\n};\n");
        let selectors = placed.iter().filter(|p| p.object == **object).flat_map(|p| &p.selector);
        for selector in selectors {
            let _ = writeln!(text, "{selector}");
        }
        text.push('\n');
    }
    text.push_str("static struct klp_object lp_objects[] = {\n");
    for object in &objects {
        let name = if object.is_vmlinux() { "NULL".into() } else { format!("\"{object}\"") };
        let members = request.stubs.members();
        let _ = write!(
            text,
            "\t{{\n\t\t.name = {name},\n\t\t.funcs = lp_{object}_functions,\n{members}\t}},\n"
        );
    }
    let _ = write!(
        text,
        "\t{{ }}\n}};\n\nstatic struct klp_patch lp_patch = {{ .mod = THIS_MODULE, .objs = lp_objects }};\n\n\
         static int __init lp_init(void)\n{{\n\treturn klp_enable_patch(&lp_patch);\n}}\n\n\
         static void __exit lp_exit(void)\n{{\n}}\n\n\
         module_init(lp_init);\nmodule_exit(lp_exit);\nMODULE_LICENSE(\"GPL\");\n\
         MODULE_DESCRIPTION(\"Livepatch {name}\");\nMODULE_INFO(livepatch, \"Y\");\n",
        name = request.name,
    );
    text
}

/// What kbuild builds.
fn kbuild(name: &str, parts: &[Part<'_>]) -> String {
    let mut text = format!("# SPDX-License-Identifier: {LICENCE}\nobj-m := {name}.o\n");
    let objects = parts.iter().map(|part| format!("{}.o", copy_of(part)));
    let objects: Vec<_> = objects.chain([format!("{name}_tables.o")]).collect();
    let _ = writeln!(text, "{name}-y := {}", objects.join(" "));
    let own = parts.iter().filter(|part| part.extraction.has_own_headers);
    let folders: BTreeSet<_> = own
        .map(|part| part.origin.file.rsplit_once('/').map_or(".", |(folder, _)| folder))
        .collect();
    if !folders.is_empty() {
        text.push_str(
            "\n# Headers of the kernel's own: not among the headers of a distribution; then name its source,\n\
             # make KERNEL_SOURCE=DIR\nKERNEL_SOURCE ?= $(srctree)\n",
        );
        for folder in folders {
            let _ = writeln!(text, "ccflags-y += -I$(KERNEL_SOURCE)/{folder}");
        }
    }
    text
}
