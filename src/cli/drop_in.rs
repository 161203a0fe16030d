//! The calls of `objtool klp post-link` and kpatch's `create-klp-module`, under their names or ours.
//!
//! A link `objtool` or `create-klp-module` to klp-convert is enough for a script that calls them. Both finish what their
//! tool has recorded and leave any other module as it is. As with objtool, `post-link` fails with exit code 255. Sources:
//! `tools/objtool/builtin-klp.c`, kpatch's `kpatch-build/create-klp-module.c`.

use std::ffi::{OsStr, OsString};
use std::path::Path;

const POST_LINK: &str = "post-link";
const CREATE_KLP_MODULE: &str = "create-klp-module";

/// The words of a call as ours: under the name of another tool they are that tool's.
///
/// # Errors
/// What objtool was asked for, if that is not `klp post-link`.
pub(super) fn words(words: &[OsString]) -> Result<Vec<OsString>, String> {
    let name = words.first().and_then(|program| Path::new(program).file_name());
    let rest = words.get(1..).unwrap_or_default();
    let ours = |command: &str, rest: &[OsString]| {
        let start = ["klp-convert", command].map(OsString::from);
        start.into_iter().chain(rest.iter().cloned()).collect()
    };
    match (name.and_then(OsStr::to_str), rest) {
        (Some(CREATE_KLP_MODULE), rest) => Ok(ours(CREATE_KLP_MODULE, rest)),
        (Some("objtool"), [klp, post_link, rest @ ..])
            if klp == "klp" && post_link == POST_LINK =>
        {
            Ok(ours(POST_LINK, rest))
        }
        (Some("objtool"), _) => {
            let asked: Vec<_> = rest.iter().take(2).map(|word| word.to_string_lossy()).collect();
            Err(format!(
                "objtool {}: klp-convert does 'objtool klp post-link' only",
                asked.join(" ")
            ))
        }
        _ => Ok(words.to_vec()),
    }
}

/// Whether words that cannot be read are those of a call of `post-link`.
pub(super) fn is_post_link(words: &[OsString]) -> bool {
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        if word == "--format" || word == "--color" {
            words.next();
        } else if !word.as_encoded_bytes().starts_with(b"-") {
            return word == POST_LINK;
        }
    }
    false
}
