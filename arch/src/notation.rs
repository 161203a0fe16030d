//! Rows in print: calculation, check and field as one would write them in a table.

use core::fmt;

use crate::field::Field;
use crate::row::{Check, Row, When};

/// A row's calculation with its bias and shift, `(S + A - TOC + 0x8000) >> 16`.
#[derive(Debug, Clone, Copy)]
pub struct Calculation<'a>(pub &'a Row);

impl fmt::Display for Calculation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { calc, bias, shift, .. } = self.0;
        match (bias, shift) {
            (0, 0) => write!(f, "{calc}"),
            (0, _) => write!(f, "({calc}) >> {shift}"),
            _ => write!(f, "({calc} + {bias:#x}) >> {shift}"),
        }
    }
}

impl fmt::Display for Check {
    /// The bits that the value must fit, before the shift.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrapping | Self::Trusted | Self::Low => f.write_str("none"),
            Self::Signed(bits) => write!(f, "signed {bits}"),
            Self::Unsigned(bits) => write!(f, "unsigned {bits}"),
        }
    }
}

impl fmt::Display for Field {
    /// Word size in bits and the value's bits in it, highest first: `32: 15:8 27:16`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.words == 0 {
            return f.write_str("-");
        }
        if self.words > 1 {
            write!(f, "{}x", self.words)?;
        }
        write!(f, "{}", u16::from(self.word) * 8)?;
        if self.parts.iter().any(|part| part.width < self.word.saturating_mul(8)) {
            f.write_str(":")?;
            for part in self.parts.iter().rev() {
                let high = part.to + part.width - 1;
                write!(f, " {high}:{}", part.to)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for When {
    /// The condition on the kernel's configuration; empty if there is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => Ok(()),
            Self::With(features) => bitflags::parser::to_writer(features, f),
            Self::Without(features) => {
                f.write_str("not ")?;
                bitflags::parser::to_writer(features, f)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;
    use crate::by_name;

    #[test]
    fn a_split_field_prints_its_parts_from_the_highest_value_bit_down() {
        let row = by_name("s390x").unwrap().row(57).unwrap();
        assert_eq!(row.field.to_string(), "32: 15:8 27:16");
        assert_eq!(row.check.to_string(), "signed 20");
    }

    #[test]
    fn bias_and_shift_are_printed_around_the_calculation() {
        let row = by_name("ppc64le").unwrap().row(50).unwrap();
        assert_eq!(Calculation(row).to_string(), "(S + A - TOC + 0x8000) >> 16");
    }
}
