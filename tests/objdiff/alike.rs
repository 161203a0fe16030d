//! Whether two references mean the same although they differ: told from the object alone, without the code of `objdiff`.

use std::collections::BTreeSet;

use klp_arch::object_table::{FieldMeaning, TableUse};

use crate::model::{Kind, Meaning, Model, Place, Relocation, Stretch, stems};

/// Types that a module's loader computes alike, and writes alike: they differ in which values are refused. From
/// `apply_relocate_add` of each machine.
const SAME_TYPES: &[(&str, &[&[u32]])] = &[
    // PC32, PLT32; 32, 32S.
    ("x86_64", &[&[2, 4], &[10, 11]]),
    // TOC16, TOC16_LO; TOC16_DS, TOC16_LO_DS.
    ("ppc64le", &[&[47, 48], &[63, 64]]),
    // GOT…, GOTPLT….
    ("s390x", &[&[6, 29], &[15, 30], &[7, 31], &[24, 32], &[26, 33], &[58, 59]]),
    // MOVW_UABS_G0…G2, and those that check nothing; ADR_PREL_PG_HI21; ADD_ABS_LO12_NC, LDST8_ABS_LO12_NC;
    // JUMP26, CALL26; LD_PREL_LO19, CONDBR19.
    (
        "arm64",
        &[
            &[263, 264],
            &[265, 266],
            &[267, 268],
            &[275, 276],
            &[277, 278],
            &[282, 283],
            &[273, 280],
        ],
    ),
];

impl Model<'_> {
    /// Whether two types do the same.
    pub(crate) fn is_same_type(&self, a: u32, b: u32) -> bool {
        let (_, groups) = SAME_TYPES.iter().find(|(name, _)| *name == self.machine.name).unwrap();
        a == b
            || !self.writes(a) && !self.writes(b)
            || groups.iter().any(|group| group.contains(&a) && group.contains(&b))
    }

    /// Whether what two relocations of an object mean is the same.
    pub(crate) fn means_the_same(&self, a: &Relocation, b: &Relocation) -> bool {
        if !self.is_same_type(a.rela.kind, b.rela.kind) {
            return false;
        }
        if !self.writes(a.rela.kind) {
            return true;
        }
        match (self.meaning(a), self.meaning(b)) {
            (Meaning::Place(left), Meaning::Place(right)) => {
                left == right || self.is_alike((left, a), (right, b), &mut BTreeSet::new())
            }
            (left, right) => left == right,
        }
    }

    /// Whether what is at two places counts by what is in it, and is the same.
    fn is_alike(
        &self,
        (a, from): (Place, &Relocation),
        (b, to): (Place, &Relocation),
        assumed: &mut BTreeSet<(Place, Place)>,
    ) -> bool {
        if a == b || !assumed.insert((a, b)) {
            return true;
        }
        if let (Some(left), Some(right)) = (self.text(a), self.text(b)) {
            return left == right;
        }
        // A name means what has it, wherever an addend leads.
        let of = |place: Place, by: &Relocation| {
            self.stretch_of(by.rela.symbol).or_else(|| self.stretch(place))
        };
        let (Some(left), Some(right)) = (of(a, from), of(b, to)) else { return false };
        let describes = |stretch: &Stretch| {
            stretch.names.iter().any(|name| is_diagnostic(name))
                || self.kind(stretch.section) == Kind::Diagnostic
        };
        if describes(left) && describes(right) {
            return stems(left) == stems(right);
        }
        let counts = |stretch: &Stretch| match self.kind(stretch.section) {
            Kind::ReadOnly => true,
            Kind::Code | Kind::Writable => stretch.names.is_empty(),
            _ => false,
        };
        if !counts(left) || !counts(right) || left.names.is_empty() != right.names.is_empty() {
            return false;
        }
        let (starts, ends) = if left.names.is_empty() {
            ((a.1, b.1), (self.end_of_window(a), self.end_of_window(b)))
        } else {
            ((left.span.start, right.span.start), (left.span.end, right.span.end))
        };
        if a.1.wrapping_sub(starts.0) != b.1.wrapping_sub(starts.1) {
            return false;
        }
        let mut bodies = [self.bytes(a.0, starts.0..ends.0), self.bytes(b.0, starts.1..ends.1)];
        if left.names.is_empty() {
            // What has no name ends where the next begins, and that is aligned.
            for body in &mut bodies {
                let end = body.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                *body = &body[..end];
            }
        } else if ends.0 - starts.0 != ends.1 - starts.1 {
            return false;
        }
        let own = self.relocations_in(a.0, starts.0..ends.0);
        let other = self.relocations_in(b.0, starts.1..ends.1);
        bodies[0] == bodies[1]
            && own.len() == other.len()
            && own.iter().zip(other).all(|(one, two)| {
                let same_place = one.rela.offset - starts.0 == two.rela.offset - starts.1;
                same_place
                    && self.is_same_type(one.rela.kind, two.rela.kind)
                    && match (self.meaning(one), self.meaning(two)) {
                        (Meaning::Place(left), Meaning::Place(right)) => {
                            self.is_alike((left, one), (right, two), assumed)
                        }
                        (left, right) => left == right,
                    }
            })
    }

    /// Whether data that a relocation is in only says where in the source something is.
    pub(crate) fn describes_the_source(&self, relocation: &Relocation) -> bool {
        let place = (relocation.section, relocation.rela.offset);
        let names = self.stretch(place).map(|stretch| &stretch.names);
        self.kind(relocation.section) == Kind::Diagnostic
            || names.is_some_and(|names| names.iter().any(|name| is_diagnostic(name)))
    }

    /// Whether two relocations of the kernel's table of warnings name source files, in the same way.
    pub(crate) fn are_source_files(&self, a: &Relocation, b: &Relocation) -> bool {
        let file = |relocation: &Relocation| {
            let Meaning::Place(place) = self.meaning(relocation) else { return false };
            let text = self.text(place).unwrap_or_else(|| {
                let rest = self.bytes(place.0, place.1..u64::MAX);
                rest.iter().copied().take_while(|byte| *byte != 0).collect()
            });
            [".c", ".h", ".S"].iter().any(|end| text.ends_with(end.as_bytes()))
        };
        self.name_of(a.section) == "__bug_table"
            && self.is_same_type(a.rela.kind, b.rela.kind)
            && file(a)
            && file(b)
    }

    /// Whether two relocations of a table of alternatives name the place of instructions of which there are none.
    pub(crate) fn are_empty_replacements(&self, a: &Relocation, b: &Relocation) -> bool {
        let name = self.name_of(a.section);
        let mut tables = self.machine.object_tables();
        let Some(TableUse::Content(shapes)) =
            tables.find(|table| table.has_name(name.as_bytes())).map(|table| table.holds)
        else {
            return false;
        };
        let Some(shape) = shapes.iter().find(|s| self.size(a.section).is_multiple_of(s.size))
        else {
            return false;
        };
        let at = a.rela.offset % shape.size;
        let Some(FieldMeaning::Replacement(length)) =
            shape.fields.iter().find(|field| field.at == at).map(|field| field.means)
        else {
            return false;
        };
        let length = a.rela.offset - at + length;
        let is_start = |place: &Place| {
            self.stretch(*place).is_some_and(|s| !s.names.is_empty() && s.span.start == place.1)
        };
        let names_code = |relocation: &Relocation| match self.meaning(relocation) {
            Meaning::Place(place) => is_start(&place),
            Meaning::Symbol(..) => true,
        };
        self.bytes(a.section, length..length + 1) == [0]
            && self.is_same_type(a.rela.kind, b.rela.kind)
            && !names_code(a)
            && !names_code(b)
    }

    /// What of a section whose equal parts are merged a place means: a text up to its end, or the rest of an entry.
    fn text(&self, (section, offset): Place) -> Option<Vec<u8>> {
        let (width, texts) = self.merged(section)?;
        let body = self.bytes(section, offset..u64::MAX);
        let width = usize::try_from(width).unwrap();
        if texts {
            let zero = |character: &&[u8]| character.iter().any(|byte| *byte != 0);
            return Some(body.chunks(width).take_while(zero).flatten().copied().collect());
        }
        let rest = width - usize::try_from(offset).ok()? % width;
        Some(body[..rest.min(body.len())].to_vec())
    }
}

/// Whether data only says where in the source something is: `__func__`, and what `pr_*` records for the printk index.
fn is_diagnostic(name: &str) -> bool {
    const NAMES: [&str; 5] =
        ["__func__", "__FUNCTION__", "__PRETTY_FUNCTION__", "_entry", "_entry_ptr"];
    name.split('.').any(|part| NAMES.contains(&part))
}
