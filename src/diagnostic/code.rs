//! The stable codes, and the page that explains each.

/// The explanations: one `## KLP-…` section per code.
const PAGE: &str = include_str!("../../docs/errors.md");

/// A stable code. Numbers are never reused.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::Display,
    strum::EnumIter,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[strum(ascii_case_insensitive)]
#[non_exhaustive]
pub enum Code {
    /// The file is not a well-formed ELF module.
    #[strum(serialize = "KLP-E0001")]
    MalformedElf,
    /// The file's machine is not supported.
    #[strum(serialize = "KLP-E0002")]
    UnknownMachine,
    /// The module carries an appended signature.
    #[strum(serialize = "KLP-E0003")]
    Signed,
    /// The module is for another machine than the kernel.
    #[strum(serialize = "KLP-E0004")]
    OtherMachine,
    /// The module was built for another kernel release.
    #[strum(serialize = "KLP-E0005")]
    OtherRelease,
    /// The kernel has no livepatching.
    #[strum(serialize = "KLP-E0006")]
    NoLivepatching,
    /// No symbol of the kernel has the name.
    #[strum(serialize = "KLP-E0101")]
    NotFound,
    /// Several symbols have the name.
    #[strum(serialize = "KLP-E0102")]
    Ambiguous,
    /// Annotated with position 0, but not unique.
    #[strum(serialize = "KLP-E0103")]
    NotUnique,
    /// Annotated with a position that does not exist.
    #[strum(serialize = "KLP-E0104")]
    NoSuchPosition,
    /// Annotated with an object that no map has.
    #[strum(serialize = "KLP-E0105")]
    UnknownObject,
    /// The symbol lives in memory that is freed after boot.
    #[strum(serialize = "KLP-E0106")]
    InitMemory,
    /// The name cannot be a klp symbol.
    #[strum(serialize = "KLP-E0107")]
    BadName,
    /// A livepatch that klp-build has not finished.
    #[strum(serialize = "KLP-E0108")]
    UnfinishedKlpBuild,
    /// A selector does not single out one symbol.
    #[strum(serialize = "KLP-E0109")]
    NotSingledOut,
    /// No source has source files.
    #[strum(serialize = "KLP-E0110")]
    FilesUnknown,
    /// The source file of a neighbour is not known.
    #[strum(serialize = "KLP-E0111")]
    NeighbourFileUnknown,
    /// A function that is replaced is not found.
    #[strum(serialize = "KLP-E0112")]
    ReplacedNotFound,
    /// The name of a function that is replaced is not unique.
    #[strum(serialize = "KLP-E0113")]
    ReplacedAmbiguous,
    /// A function is replaced at a position that does not exist.
    #[strum(serialize = "KLP-E0114")]
    ReplacedNoSuchPosition,
    /// The kernel cannot patch a replaced function.
    #[strum(serialize = "KLP-E0115")]
    Unpatchable,
    /// The kernel does not accept the tables of a patch.
    #[strum(serialize = "KLP-E0116")]
    MalformedTables,
    /// A livepatch that kpatch has not finished.
    #[strum(serialize = "KLP-E0120")]
    UnfinishedKpatch,
    /// A klp relocation that another tool has recorded cannot be read.
    #[strum(serialize = "KLP-E0121")]
    MalformedRecord,
    /// A function's source cannot be copied.
    #[strum(serialize = "KLP-E0130")]
    SourceNotCopied,
    /// The initial value of writable data has changed.
    #[strum(serialize = "KLP-E0140")]
    DataChanged,
    /// A function that runs at start only has changed.
    #[strum(serialize = "KLP-E0141")]
    InitChanged,
    /// A function that ftrace cannot hook has changed.
    #[strum(serialize = "KLP-E0142")]
    NotTraced,
    /// A table that is not known names a changed function.
    #[strum(serialize = "KLP-E0143")]
    UnknownTable,
    /// A changed function uses a runtime constant.
    #[strum(serialize = "KLP-E0144")]
    RuntimeConstantInChange,
    /// Several things of one name cannot be told apart.
    #[strum(serialize = "KLP-E0146")]
    AmbiguousTwins,
    /// An object is compiled from Rust.
    #[strum(serialize = "KLP-E0147")]
    RustObject,
    /// A livepatch does not replace a changed function.
    #[strum(serialize = "KLP-E0148")]
    ChangeNotReplaced,
    /// An object was compiled by another compiler than the kernel.
    #[strum(serialize = "KLP-E0150")]
    OtherCompiler,
    /// No object has something of a name in a place that is proven.
    #[strum(serialize = "KLP-E0151")]
    PlaceNotProven,
    /// An object that was named as the kernel's is not.
    #[strum(serialize = "KLP-E0152")]
    NotTheKernels,
    /// A tree has another configuration than the kernel.
    #[strum(serialize = "KLP-E0153")]
    OtherConfiguration,
    /// kbuild has not compiled a file.
    #[strum(serialize = "KLP-E0154")]
    NotCompiled,
    /// An annotation is malformed.
    #[strum(serialize = "KLP-E0201")]
    MalformedAnnotation,
    /// Two annotations contradict each other.
    #[strum(serialize = "KLP-E0202")]
    ConflictingAnnotations,
    /// Something that is loaded uses an annotation.
    #[strum(serialize = "KLP-E0204")]
    AnnotationNeeded,
    /// Nothing uses the annotated symbol.
    #[strum(serialize = "KLP-E0203")]
    UnusedAnnotation,
    /// A selector of a function does not fit the tables.
    #[strum(serialize = "KLP-E0205")]
    SelectorNotInTables,
    /// A vmlinux symbol gated on a module.
    #[strum(serialize = "KLP-E0301")]
    GatedVmlinuxSymbol,
    /// The gate is not patched by this livepatch.
    #[strum(serialize = "KLP-E0302")]
    GateNotPatched,
    /// The kernel consumes the section too early.
    #[strum(serialize = "KLP-E0303")]
    ConsumedSection,
    /// The section is freed, copied or not loaded.
    #[strum(serialize = "KLP-E0304")]
    UnwritableSection,
    /// The loader does not know the relocation type.
    #[strum(serialize = "KLP-E0305")]
    UnknownRelocation,
    /// The bytes to patch are not what the loader demands.
    #[strum(serialize = "KLP-E0306")]
    Place,
    /// What a relocation waits for is not clear.
    #[strum(serialize = "KLP-E0307")]
    GateUndecided,
    /// A patch of vmlinux uses a module's symbol.
    #[strum(serialize = "KLP-E0308")]
    ModuleSymbolInVmlinux,
    /// A patched object does not depend on the module that the patch needs for it.
    #[strum(serialize = "KLP-E0309")]
    UndeclaredDependency,
    /// The module breaks a rule of the kernel.
    #[strum(serialize = "KLP-E0401")]
    KernelRule,
    /// What was written is not what was planned.
    #[strum(serialize = "KLP-E0402")]
    Unfaithful,
    /// A symbol list is malformed or of another version.
    #[strum(serialize = "KLP-E0501")]
    MalformedMap,
    /// Two maps contradict each other.
    #[strum(serialize = "KLP-E0502")]
    ConflictingMaps,
    /// Several modules of one name, and nothing says which is loaded.
    #[strum(serialize = "KLP-E0520")]
    NoModuleOrder,
    /// A boot image has several kernels.
    #[strum(serialize = "KLP-E0521")]
    SeveralKernels,
    /// A file cannot be read.
    #[strum(serialize = "KLP-E0601")]
    Read,
    /// A file cannot be written.
    #[strum(serialize = "KLP-E0602")]
    Write,
    /// A project names something that is not there, or is malformed.
    #[strum(serialize = "KLP-E0603")]
    Project,
    /// The arguments are wrong.
    #[strum(serialize = "KLP-E0604")]
    Usage,
    /// A compressed file unpacks to more than is allowed.
    #[strum(serialize = "KLP-E0605")]
    UnpacksTooLarge,
    /// A livepatch costs more than its budget allows.
    #[strum(serialize = "KLP-E0606")]
    OverBudget,
    /// A budget cannot be read.
    #[strum(serialize = "KLP-E0607")]
    Budget,
    /// A history of figures cannot be read.
    #[strum(serialize = "KLP-E0608")]
    History,
    /// The kernel would refuse the module.
    #[strum(serialize = "KLP-E0801")]
    KernelRefuses,
    /// The kernel would refuse an object that the livepatch patches.
    #[strum(serialize = "KLP-E0802")]
    KernelRefusesObject,
    /// The kernel writes a value that does not fit.
    #[strum(serialize = "KLP-E0803")]
    Truncated,
    /// The kernel never writes some relocations.
    #[strum(serialize = "KLP-E0804")]
    NeverWritten,
    /// The kernel damages memory.
    #[strum(serialize = "KLP-E0805")]
    Damages,
    /// Relocations cannot be cleared.
    #[strum(serialize = "KLP-E0806")]
    NotCleared,
    /// An indirect call would land outside a landing pad.
    #[strum(serialize = "KLP-W0811")]
    NoLandingPad,
    /// An undefined symbol that nothing uses.
    #[strum(serialize = "KLP-W0812")]
    UnusedImport,
    /// It would fail at some of the addresses that a kernel may choose.
    #[strum(serialize = "KLP-W0813")]
    SomePlacements,
    /// An object that the livepatch patches does not survive every reload.
    #[strum(serialize = "KLP-W0814")]
    Reload,
    /// A position that no address proves.
    #[strum(serialize = "KLP-W0701")]
    PositionUnproven,
    /// A position that holds only while its module is loading.
    #[strum(serialize = "KLP-W0702")]
    PositionDrifts,
    /// A module's symbol gated on vmlinux.
    #[strum(serialize = "KLP-W0703")]
    OwnerNotAwaited,
    /// Annotated with a symbol in memory that is freed after boot.
    #[strum(serialize = "KLP-W0704")]
    AnnotatedInitMemory,
    /// A module's export whose owner's symbols are not known.
    #[strum(serialize = "KLP-W0705")]
    OwnerUnknown,
    /// A selector's path is longer than the known one.
    #[strum(serialize = "KLP-W0707")]
    FileUnproven,
    /// The tables of a patch are made at run time.
    #[strum(serialize = "KLP-W0720")]
    TablesAtRunTime,
    /// Replaced functions of an object are not checked.
    #[strum(serialize = "KLP-W0721")]
    ReplacedUnchecked,
    /// Whether one module depends on another is not known.
    #[strum(serialize = "KLP-W0722")]
    DependencyUnknown,
    /// A function is replaced only while its module is loaded after the livepatch.
    #[strum(serialize = "KLP-W0723")]
    ReplacedDrifts,
    /// A replacement has no symbol.
    #[strum(serialize = "KLP-W0724")]
    ReplacementNameless,
    /// A livepatch loads only while another module is loaded.
    #[strum(serialize = "KLP-W0725")]
    LoadsOnlyWith,
    /// The kernel does not apply a relocation table.
    #[strum(serialize = "KLP-E0410")]
    PassedOver,
    /// A klp symbol that nothing uses.
    #[strum(serialize = "KLP-W0820")]
    UnusedKlpSymbol,
    /// An object that is not a module yet was converted.
    #[strum(serialize = "KLP-W0825")]
    NotLinked,
    /// A livepatch replaces a function that has not changed.
    #[strum(serialize = "KLP-W0826")]
    ReplacedUnchanged,
    /// A header field is wrong, but the kernel ignores it.
    #[strum(serialize = "KLP-W0821")]
    Irregular,
    /// Another module exports the same names.
    #[strum(serialize = "KLP-W0822")]
    ExportedTwice,
    /// The kernel's own decompressor refuses the file.
    #[strum(serialize = "KLP-W0823")]
    Incompressible,
    /// Properties of exports that the kernel checks are not known.
    #[strum(serialize = "KLP-W0824")]
    ExportsUnknown,
    /// modinfo names a module that is not needed any more.
    #[strum(serialize = "KLP-W0706")]
    DependsOnOwner,
    /// A module differs from the others of its kernel.
    #[strum(serialize = "KLP-W0730")]
    UnlikeSiblings,
    /// Modules were built for another release of the kernel.
    #[strum(serialize = "KLP-W0731")]
    ModulesOfAnotherRelease,
}

impl Code {
    /// What it means and what to do, in Markdown.
    #[must_use]
    pub fn explanation(self) -> &'static str {
        let name: &str = self.into();
        let start = PAGE.split("\n## ").find(|section| section.starts_with(name));
        start.map_or("", str::trim_end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strum::IntoEnumIterator;

    #[test]
    fn every_code_has_an_explanation_that_says_what_to_do() {
        for code in Code::iter() {
            assert!(code.explanation().len() > 80, "{code} has no section in docs/errors.md");
        }
    }

    #[test]
    fn every_explanation_belongs_to_a_code() {
        for section in PAGE.split("\n## ").skip(1) {
            let name = section.split_whitespace().next().unwrap();
            assert!(name.parse::<Code>().is_ok(), "{name} is not a code");
        }
    }
}
