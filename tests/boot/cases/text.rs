//! Expected contents of a file: text with placeholders for what only the running kernel knows.
//!
//! `{OBJECT.SYMBOL,POSITION}` stands for an address as `%px` prints it, and `{/PATH}` for the
//! contents of that file before anything is patched.

use crate::failure::Failure;
use crate::session::Session;

/// The text for this kernel.
pub(crate) fn filled(template: &str, session: &mut Session<'_>) -> Result<String, Failure> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or("a brace is not closed")?;
        text.push_str(before);
        if name.starts_with('/') {
            text.push_str(session.read(name)?.trim_end_matches('\n'));
        } else {
            text.push_str(&format!("{:016x}", address(name, session)?));
        }
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

fn address(name: &str, session: &Session<'_>) -> Result<u64, Failure> {
    let (object, symbol) = name.split_once('.').ok_or("no object")?;
    let (symbol, position) = symbol.split_once(',').ok_or("no position")?;
    let position: usize = position.parse()?;
    let addresses = session.memory.symbols.addresses(object, symbol);
    let address = addresses.get(position - 1).copied();
    address.ok_or_else(|| format!("the kernel lists {} of {name}", addresses.len()).into())
}
