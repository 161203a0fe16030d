//! `klp-convert symbols info`.

use std::fmt;

use serde::Serialize;

use super::super::args::Info;
use super::super::report::Reporter;
use super::super::{Outcome, document};
use crate::diagnostic::OneLine;
use crate::symbols::{KernelIdentity, Map, Order, Siblings, SymbolError};

/// What a map contains.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    #[serde(serialize_with = "document::kernel")]
    kernel: KernelIdentity,
    /// The machine, as distributions spell it.
    machine: Option<&'static str>,
    /// Build-id of vmlinux.
    build_id: Option<String>,
    /// Whether the symbols of vmlinux are known.
    vmlinux: bool,
    /// How many modules' symbols are known.
    modules: usize,
    symbols: u64,
    exports: u64,
    /// What its modules prove about the kernel.
    #[serde(serialize_with = "document::siblings")]
    siblings: Siblings,
    /// Bytes of the file.
    size: u64,
}

impl Summary {
    pub(super) fn of(map: &Map) -> Result<Self, SymbolError> {
        let objects = map.objects()?;
        let described = || objects.iter().filter(|object| object.order.is_some());
        let vmlinux = described().find(|object| object.name.is_vmlinux());
        let kernel = map.kernel().clone();
        let machine = kernel.machine.and_then(klp_arch::for_machine).map(|machine| machine.name);
        Ok(Self {
            machine,
            kernel,
            build_id: vmlinux.and_then(|object| Some(object.build_id.as_ref()?.to_string())),
            vmlinux: vmlinux.is_some(),
            modules: described().filter(|object| !object.name.is_vmlinux()).count(),
            symbols: map.symbols(),
            exports: map.exports(),
            siblings: map.siblings()?,
            size: map.size(),
        })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let release = self.kernel.release.as_deref().unwrap_or("of unknown release");
        write!(f, "kernel {} ({}), ", OneLine(release), self.machine.unwrap_or("unknown machine"))?;
        let vmlinux = if self.vmlinux { "vmlinux" } else { "no vmlinux" };
        write!(f, "{vmlinux} and {} modules, ", self.modules)?;
        write!(f, "{} symbols, {} exports, {} bytes", self.symbols, self.exports, self.size)?;
        if self.kernel.kallsyms_all == Some(false) {
            f.write_str("; without CONFIG_KALLSYMS_ALL, so without livepatching")?;
        }
        Ok(())
    }
}

pub(super) fn run(args: &Info, reporter: &Reporter) -> Outcome {
    let opened = Map::open(&args.map).and_then(|map| {
        map.verify()?;
        let summary = Summary::of(&map)?;
        Ok((summary, map))
    });
    let (summary, map) = match opened {
        Ok(opened) => opened,
        Err(error) => return reporter.symbols(&[error]),
    };
    if reporter.is_json() {
        return reporter.json(&summary);
    }
    let mut text = format!("{summary}\n");
    if let Some(id) = &summary.build_id {
        text += &format!("vmlinux build-id {id}\n");
    }
    for line in summary.siblings.lines() {
        text += &format!("{}\n", OneLine(line));
    }
    if let (true, Ok(objects)) = (reporter.is_verbose(), map.objects()) {
        for object in objects {
            let order = match object.order {
                None => "exports only",
                Some(Order::Proven) => "positions proven",
                Some(Order::Loaded) => "positions of a loaded module",
                Some(Order::Alphabetical) => "positions not proven",
            };
            let id = object.build_id.map_or("no build-id".into(), |id| id.to_string());
            let (name, units) = (OneLine(&object.name), object.units);
            text += &format!("{name} {order}, {units} source files, {id}\n");
        }
    }
    reporter.text(&text)
}
