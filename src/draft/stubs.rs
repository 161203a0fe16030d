//! What a livepatch may need besides functions: callbacks, and data beside the kernel's structures.

/// What to write besides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stubs {
    /// Callbacks before and after an object is patched and unpatched.
    pub callbacks: bool,
    /// A shadow variable.
    pub shadow: bool,
}

const SHADOW: &str = "\
#include <linux/livepatch.h>
#include <linux/slab.h>

/* Data beside a structure of the kernel: found by the structure's address and this number. */
#define LP_SHADOW_ID 1

struct lp_shadow {
	int value;
};

static inline int lp_shadow_ctor(void *object, void *shadow, void *unused)
{
	((struct lp_shadow *)shadow)->value = 0;
	return 0;
}

static inline void lp_shadow_dtor(void *object, void *shadow)
{
}

/* That of an object; NULL if there is no memory. Free it where the object is freed. */
static inline struct lp_shadow *lp_shadow_of(void *object, gfp_t flags)
{
	return klp_shadow_get_or_alloc(object, LP_SHADOW_ID, sizeof(struct lp_shadow), flags,
				       lp_shadow_ctor, NULL);
}

static inline void lp_shadow_free(void *object)
{
	klp_shadow_free(object, LP_SHADOW_ID, lp_shadow_dtor);
}
";

const CALLBACKS: &str = "\
/* Before an object is patched; an error leaves it as it is, and its module unloaded. */
static int lp_pre_patch(struct klp_object *object)
{
	return 0;
}

/* After all tasks run the new functions. */
static void lp_post_patch(struct klp_object *object)
{
}

/* Before the object is unpatched. */
static void lp_pre_unpatch(struct klp_object *object)
{
}

";

impl Stubs {
    /// Whether there are callbacks.
    pub(super) fn has_callbacks(self) -> bool {
        self.callbacks || self.shadow
    }

    /// What both the functions and the tables use.
    pub(super) fn header(self) -> Option<&'static str> {
        self.shadow.then_some(SHADOW)
    }

    /// What the tables use.
    pub(super) fn before_tables(self) -> String {
        if !self.has_callbacks() {
            return String::new();
        }
        let body =
            if self.shadow { "	klp_shadow_free_all(LP_SHADOW_ID, lp_shadow_dtor);\n" } else { "" };
        let before = if self.callbacks { CALLBACKS } else { "" };
        format!(
            "{before}/* After no task runs the new functions any more. */\n\
             static void lp_post_unpatch(struct klp_object *object)\n{{\n{body}}}\n\n"
        )
    }

    /// The members of an object's entry.
    pub(super) fn members(self) -> String {
        let mut members = Vec::new();
        if self.callbacks {
            members.extend(["pre_patch", "post_patch", "pre_unpatch"]);
        }
        if self.has_callbacks() {
            members.push("post_unpatch");
        }
        let members = members.iter().map(|name| format!("\t\t\t.{name} = lp_{name},\n"));
        let members: String = members.collect();
        if members.is_empty() {
            members
        } else {
            format!("\t\t.callbacks = {{\n{members}\t\t}},\n")
        }
    }
}
