//! Text that is written item by item, without conditionals that have nothing in them.

/// Text that is written item by item, with the conditionals that turn out to have something in them.
#[derive(Default)]
pub(super) struct Written {
    pub(super) text: String,
    /// Where each open conditional starts, and whether something is in it.
    open: Vec<(usize, bool)>,
    last: Last,
    /// Where the first item starts that is not a directive, with the conditionals around it.
    pub(super) includes: Option<usize>,
}

/// What was written last.
#[derive(Default, PartialEq, Eq, Clone, Copy)]
enum Last {
    #[default]
    Nothing,
    Line,
    Item,
}

impl Written {
    fn put(&mut self, text: &str, what: Last) {
        match self.last {
            Last::Nothing => {}
            Last::Line if what == Last::Line => {}
            _ => self.text.push('\n'),
        }
        self.text.push_str(text);
        self.text.push('\n');
        self.last = what;
    }

    fn kept(&mut self) {
        self.open.iter_mut().for_each(|(_, kept)| *kept = true);
    }

    pub(super) fn line(&mut self, text: &str) {
        self.kept();
        if !text.starts_with('#') {
            self.end_includes();
        }
        self.put(text, Last::Line);
    }

    pub(super) fn item(&mut self, text: &str) {
        self.kept();
        self.end_includes();
        self.put(text, Last::Item);
    }

    fn end_includes(&mut self) {
        let start = self.open.first().map_or(self.text.len(), |(start, _)| *start);
        self.includes.get_or_insert(start);
    }

    pub(super) fn open(&mut self, text: &str) {
        self.open.push((self.text.len(), false));
        self.put(text, Last::Line);
    }

    pub(super) fn turn(&mut self, text: &str) {
        self.put(text, Last::Line);
    }

    pub(super) fn close(&mut self, text: &str) {
        match self.open.pop() {
            Some((start, false)) => {
                self.text.truncate(start);
                self.last = if self.text.is_empty() { Last::Nothing } else { Last::Item };
            }
            _ => self.put(text, Last::Line),
        }
    }
}
