//! The command line: arguments in, text or JSON out, exit codes.
//!
//! The only layer that prints. Exit codes: 0 done; 1 the input was refused; 2 usage or I/O.

mod annotate;
mod args;
mod attributes;
mod build;
mod cache;
mod check;
mod compile;
mod convert;
mod demo;
mod destination;
mod diff;
mod digest;
mod document;
mod drop_in;
mod explain;
mod historical;
mod inspect;
mod interruption;
mod kbuild;
mod kernel_map;
mod load;
mod maps;
mod match_kernel;
mod memory_image;
mod new;
mod objdiff;
mod object_files;
mod output;
mod overwrite;
mod progress;
mod region_base;
mod relocs;
mod report;
mod stats;
mod symbols;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::findings::Error;
use args::{Args, Command};
use report::Reporter;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    Refused,
    UsageOrIo,
    /// As objtool ends when something fails.
    ObjtoolFailed,
}

impl Outcome {
    /// The outcome for an error.
    fn of(failure: &Error) -> Self {
        if failure.is_io() { Self::UsageOrIo } else { Self::Refused }
    }

    fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Refused => 1,
            Self::UsageOrIo => 2,
            Self::ObjtoolFailed => 255,
        }
    }

    /// The outcome of a call that ends as objtool does.
    fn of_objtool(self) -> Self {
        if self == Self::Done { self } else { Self::ObjtoolFailed }
    }
}

/// Runs the program with the process's arguments.
#[must_use]
pub fn run() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    ExitCode::from(run_with(&words))
}

/// Runs the program with these arguments, of which the first is its name; returns its exit code.
#[must_use]
pub fn run_with(words: &[OsString]) -> u8 {
    match drop_in::words(words) {
        Ok(words) => outcome(&words).code(),
        Err(asked) => Reporter::plain().usage(&asked).of_objtool().code(),
    }
}

fn outcome(words: &[OsString]) -> Outcome {
    if let Some(call) = historical::recognise(words) {
        return historical::run(&call);
    }
    let args = match Args::try_parse_from(words) {
        Ok(args) => args,
        Err(error) => {
            let failed = if drop_in::is_post_link(words) {
                Outcome::ObjtoolFailed
            } else {
                Outcome::UsageOrIo
            };
            // Help and version are not errors; everything else is a usage error.
            if error.use_stderr() && asks_for_json(words) {
                let text = error.render().to_string();
                let text = text.strip_prefix("error: ").unwrap_or(&text);
                Reporter::for_programs().usage(text);
                return failed;
            }
            let printed = report::written(error.print());
            return if error.use_stderr() { failed } else { printed };
        }
    };
    args.global.color.write_global();
    let verbose = args.command.is_verbose();
    let reporter = Reporter::new(&args.global, verbose);
    if args.global.quiet && verbose {
        return reporter.usage("the argument '--quiet' cannot be used with '--verbose'");
    }
    match args.command {
        Command::Demo => demo::run(&reporter),
        Command::Convert(convert) => convert::run(&convert, &reporter),
        Command::PostLink(post_link) => convert::run(&post_link.into(), &reporter).of_objtool(),
        Command::CreateKlpModule(create) => convert::run(&create.into(), &reporter),
        Command::Check(check) => check::run(&check, &reporter),
        Command::Load(load) => load::run(&load, &reporter),
        Command::Inspect(inspect) => inspect::run(&inspect, &reporter),
        Command::Diff(diff) => diff::run(&diff, &reporter),
        Command::Objdiff(objects) => objdiff::run(&objects, &reporter),
        Command::Match(objects) => match_kernel::run(&objects, &reporter),
        Command::Symbols(symbols) => symbols::run(&symbols, &reporter),
        Command::Stats(stats) => stats::run(&stats, &reporter),
        Command::Explain(explain) => explain::run(&explain, &reporter),
        Command::Relocs(relocs) => relocs::run(&relocs, &reporter),
        Command::Build(build) => build::run(&build, &reporter),
        Command::Kbuild(kbuild) => kbuild::run(&kbuild, &reporter),
        Command::Annotate(annotate) => annotate::run(&annotate, &reporter),
        Command::New(new) => new::run(&new, &reporter),
        Command::Completions { shell } => completions(shell, &reporter),
        Command::Man => man(&reporter),
    }
}

/// Whether a call that cannot be read asks for JSON.
fn asks_for_json(words: &[OsString]) -> bool {
    let mut words = words.iter().take_while(|word| *word != "--").peekable();
    while let Some(word) = words.next() {
        let separate = word == "--format" && words.peek().is_some_and(|next| *next == "json");
        if separate || word == "--format=json" {
            return true;
        }
    }
    false
}

fn completions(shell: clap_complete::Shell, reporter: &Reporter) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "klp-convert", &mut script);
    reporter.bytes(&script)
}

fn man(reporter: &Reporter) -> Outcome {
    let mut page = Vec::new();
    let command = Args::command();
    let rendered = clap_mangen::Man::new(command.clone()).render(&mut page).and_then(|()| {
        // One page: the overview, then each command's options.
        command.get_subcommands().filter(|c| !c.is_hide_set()).try_for_each(|sub| {
            let name = sub.get_name();
            writeln!(page, ".SH COMMAND {}", name.to_uppercase())?;
            let man = clap_mangen::Man::new(sub.clone());
            man.render_synopsis_section(&mut page)?;
            man.render_description_section(&mut page)?;
            man.render_options_section(&mut page)
        })
    });
    match rendered {
        Ok(()) => reporter.bytes(&page),
        Err(_) => Outcome::UsageOrIo,
    }
}
