//! `klp-convert explain`.

use serde::Serialize;
use strum::IntoEnumIterator;

use super::Outcome;
use super::args::Explain;
use super::report::Reporter;
use crate::diagnostic::Code;
use crate::findings::Rule;

/// What `--format json` prints.
#[derive(Serialize)]
struct Document {
    name: String,
    explanation: String,
}

pub(super) fn run(args: &Explain, reporter: &Reporter) -> Outcome {
    let code = args.code.parse::<Code>().ok().map(|code| code.explanation().to_owned());
    let rule = || Rule::iter().find(|rule| rule.to_string() == args.code).map(describe);
    let Some(explanation) = code.or_else(rule) else {
        let codes: Vec<_> = Code::iter().map(|code| code.to_string()).collect();
        let rules: Vec<_> = Rule::iter().map(|rule| rule.to_string()).collect();
        let (codes, rules) = (codes.join(" "), rules.join(" "));
        let name = &args.code;
        let text = format!("'{name}' is not one of the codes\n  {codes}\nor rules\n  {rules}");
        return reporter.usage(&text);
    };
    if reporter.is_json() {
        return reporter.json(&Document { name: args.code.clone(), explanation });
    }
    reporter.text(&format!("{explanation}\n"))
}

fn describe(rule: Rule) -> String {
    let (consequence, source) = (rule.consequence(), rule.source());
    format!("{rule}\n\n{}\n\nIf broken: {consequence}. Kernel source: {source}.", rule.statement())
}
