//! Each kind of change; `None` where a module has nothing of the kind.

use super::Mutation;
use super::values::{
    HEADER, INDICES, RELA, SECTION, SECTION_NAMES, SECTION_TYPES, SYMBOL, SYMBOL_NAMES,
};

impl Mutation<'_> {
    pub(super) fn header(&mut self) -> Option<String> {
        let (name, offset, width) = HEADER[self.random.below(HEADER.len())];
        Some(self.set_field("the file header", name, offset, width, &[]))
    }

    pub(super) fn section_field(&mut self) -> Option<String> {
        let index = self.random.below(self.sections.len());
        let (name, offset, width) = SECTION[self.random.below(SECTION.len())];
        let other = self.random.below(self.sections.len());
        let other = self.number(self.sections[other].header + offset, width) as u64;
        let mut meant = vec![other, other];
        match name {
            "sh_type" => meant.extend(SECTION_TYPES),
            // WRITE, ALLOC, EXECINSTR, MERGE, STRINGS, INFO_LINK, TLS, RELA_LIVEPATCH, RO_AFTER_INIT.
            "sh_flags" => {
                let flags = self.number(self.sections[index].header + offset, width) as u64;
                let bits = [0, 1, 2, 4, 5, 6, 10, 20, 21];
                meant.extend(bits.map(|bit| flags ^ (1 << bit)));
                meant.extend([2, 3, 6, 7]);
            }
            "sh_link" | "sh_info" => {
                meant.extend((0..6).map(|_| self.random.below(self.sections.len() + 1) as u64));
            }
            "sh_addralign" => meant.extend([0, 1, 2, 3, 8, 64, 4096, 8192, 65536, 1 << 20]),
            "sh_offset" | "sh_size" => meant.extend([0, self.bytes.len() as u64]),
            _ => {}
        }
        let about = format!("section {index} ({})", self.sections[index].name);
        let at = self.sections[index].header + offset;
        Some(self.set_field(&about, name, at, width, &meant))
    }

    pub(super) fn section_name(&mut self) -> Option<String> {
        let index = 1 + self.random.below(self.sections.len() - 1);
        let new = match self.random.below(3) {
            0 => {
                let other = self.random.below(self.sections.len());
                self.sections[other].name.clone()
            }
            1 => SECTION_NAMES[self.random.below(SECTION_NAMES.len())].to_owned(),
            _ => {
                let name = self.sections[index].name.clone();
                self.edited(&name)
            }
        };
        let table = self.number(62, 2);
        let at = self.string(table, &new);
        self.put(self.sections[index].header, 4, at);
        Some(format!("section {index}: {} is called {new:?}", self.sections[index].name))
    }

    pub(super) fn symbol_field(&mut self) -> Option<String> {
        let (symtab, count) = self.symtab()?;
        let index = self.random.below(count);
        let (name, offset, width) = SYMBOL[self.random.below(SYMBOL.len())];
        let at = symtab + index * 24;
        let other = symtab + self.random.below(count) * 24 + offset;
        let other = self.number(other, width) as u64;
        let mut meant = vec![other, other, other];
        match name {
            "st_shndx" => {
                meant.extend(INDICES);
                let count = self.sections.len() as u64;
                meant.extend([count - 1, count, count + 1]);
            }
            // Bindings and types.
            "st_info" => meant.extend((0..4).map(|_| {
                let binding = [0_u64, 1, 2, 10][self.random.below(4)];
                binding << 4 | [0, 1, 2, 3, 4, 5, 6, 10][self.random.below(8)]
            })),
            // ppc64's local entry point is in its three top bits.
            "st_other" => meant.extend([0, 1, 2, 3, 0x20, 0x60, 0x80, 0xe0]),
            _ => {}
        }
        let about = format!("symbol {index} ({})", self.symbol(index));
        Some(self.set_field(&about, name, at + offset, width, &meant))
    }

    pub(super) fn symbol_name(&mut self) -> Option<String> {
        let (symtab, count) = self.symtab()?;
        // Of those that are asked of the kernel, rather.
        let asked: Vec<_> = (1..count)
            .filter(|index| [0, 0xff20].contains(&self.number(symtab + index * 24 + 6, 2)))
            .collect();
        let index = if asked.is_empty() || self.random.below(4) == 0 {
            1 + self.random.below(count - 1)
        } else {
            asked[self.random.below(asked.len())]
        };
        let old = self.symbol(index);
        let new = match self.random.below(3) {
            0 => {
                let other = self.random.below(count);
                self.symbol(other)
            }
            1 => SYMBOL_NAMES[self.random.below(SYMBOL_NAMES.len())].to_owned(),
            _ => self.edited(&old),
        };
        let table = self.sections.iter().find(|section| section.sh_type == 2)?.header;
        let strings = self.number(table + 40, 4);
        let at = self.string(strings, &new);
        self.put(symtab + index * 24, 4, at);
        Some(format!("symbol {index}: {old} is called {new:?}"))
    }

    pub(super) fn relocation(&mut self) -> Option<String> {
        let tables: Vec<_> =
            (0..self.sections.len()).filter(|&i| self.sections[i].sh_type == 4).collect();
        let table = &self.sections[*tables.get(self.random.below(tables.len().max(1)))?];
        let target = self.sections.get(table.info).map_or("", |section| &section.name);
        // What runs when it loads or leaves decides less about the loader than about itself.
        let runs = [".init.text", ".exit.text", ".gnu.linkonce"].iter();
        if runs.into_iter().any(|name| target.starts_with(name)) && self.random.below(6) > 0 {
            return None;
        }
        let (start, count, name) = (table.offset, table.size / 24, table.name.clone());
        let target_size = self.sections.get(table.info).map_or(0, |section| section.size) as u64;
        let entry = self.random.below(count.max(1));
        let (field, mut offset, width) = RELA[self.random.below(RELA.len())];
        if self.big && width == 4 {
            // `r_info` is one number of 64 bits.
            offset = 20 - offset;
        }
        let at = start + entry * 24 + offset;
        if count == 0 {
            return None;
        }
        let mut meant = Vec::new();
        match field {
            "type" => meant
                .extend((0..8).map(|_| u64::from(self.types[self.random.below(self.types.len())]))),
            "symbol" => {
                let (_, symbols) = self.symtab()?;
                meant.extend((0..8).map(|_| self.random.below(symbols) as u64));
                meant.push(symbols as u64);
            }
            "r_offset" => {
                let other = start + self.random.below(count) * 24 + offset;
                meant.extend([self.number(other, width) as u64; 3]);
                let ends = [0, 1, 2, 4, 8].map(|before| target_size.saturating_sub(before));
                meant.extend(ends);
            }
            _ => meant.extend([0, 1, 4, 0x7fff, 0x8000, 0x7fff_ffff, 0x8000_0000, u64::MAX]),
        }
        Some(self.set_field(&format!("{name} [{entry}]"), field, at, width, &meant))
    }

    /// A line of `.modinfo` goes, is doubled, or is edited.
    pub(super) fn modinfo(&mut self) -> Option<String> {
        let index = self.sections.iter().position(|section| section.name == ".modinfo")?;
        let section = &self.sections[index];
        let body = self.bytes.get(section.offset..section.offset + section.size)?;
        let text = String::from_utf8_lossy(body).into_owned();
        let mut lines: Vec<_> = text.split('\0').map(str::to_owned).collect();
        let line = self.random.below(lines.len());
        let old = lines[line].clone();
        let said = match self.random.below(5) {
            0 => {
                lines.remove(line);
                format!(".modinfo: without {old:?}")
            }
            1 => {
                lines.push(old.clone());
                format!(".modinfo: {old:?} twice")
            }
            2 => {
                let added = [
                    "livepatch=Y",
                    "livepatch=N",
                    "license=Proprietary",
                    "import_ns=X",
                    "intree=Y",
                    "name=other",
                    "vermagic=1.2.3 ",
                    "depends=klp_target_b",
                    "staging=Y",
                    "retpoline=Y",
                    "parm=x:y",
                    "alias=z",
                    "test=Y",
                    "=",
                    "license",
                ];
                let added = added[self.random.below(added.len())];
                // The loader takes the first of a kind.
                lines.insert(0, added.to_owned());
                format!(".modinfo: begins with {added:?}")
            }
            _ => {
                lines[line] = self.edited(&old);
                format!(".modinfo: {old:?} is {:?}", lines[line])
            }
        };
        let mut body = lines.join("\0").into_bytes();
        body.push(0);
        self.replace_body(index, &body);
        Some(said)
    }

    /// A CRC or a name of `__versions`.
    pub(super) fn versions(&mut self) -> Option<String> {
        let section = self.sections.iter().find(|section| section.name == "__versions")?;
        let (offset, size) = (section.offset, section.size);
        let at = self.random.below(size.max(1));
        let byte = self.bytes.get_mut(offset + at)?;
        *byte ^= 1 << self.random.below(8);
        Some(format!("__versions: byte {at:#x} is {byte:#x}"))
    }

    pub(super) fn length(&mut self) -> Option<String> {
        let length = self.bytes.len();
        let change = 1 + self.random.below(64);
        if self.random.below(2) == 0 {
            self.bytes.truncate(length.saturating_sub(change));
            return Some(format!("{change} bytes less"));
        }
        self.bytes.extend(std::iter::repeat_n(0, change));
        Some(format!("{change} bytes more"))
    }

    /// A text with one small edit.
    fn edited(&mut self, text: &str) -> String {
        let mut characters: Vec<_> = text.chars().collect();
        let at = self.random.below(characters.len() + 1);
        let new = ['a', '0', '1', '.', ',', '=', ' ', '_', 'Y', '\n', '\u{7f}'];
        let new = new[self.random.below(new.len())];
        match self.random.below(3) {
            0 if at < characters.len() => drop(characters.remove(at)),
            1 if at < characters.len() => characters[at] = new,
            _ => characters.insert(at, new),
        }
        characters.into_iter().collect()
    }
}
