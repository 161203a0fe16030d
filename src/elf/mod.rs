//! A kernel module as a read-only view, and the rewriter that emits it again.
