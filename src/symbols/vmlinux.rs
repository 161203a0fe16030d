//! stub
use super::*;
use std::path::*;
/// x
#[derive(Debug)]
pub struct Vmlinux {
    path: PathBuf,
}
impl Vmlinux {
    /// x
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}
impl SymbolSource for Vmlinux {
    fn path(&self) -> &Path {
        &self.path
    }
    fn order(&self) -> Order {
        Order::Proven
    }
    fn answer(&self, _: &Wanted<'_>, _: &mut Answer) -> Result<(), SymbolError> {
        Ok(())
    }
    fn similar(&self, _: &mut Near) -> Result<(), SymbolError> {
        Ok(())
    }
}
