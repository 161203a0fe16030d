//! A workflow of GitHub Actions.

use super::{Plan, yaml};

/// Most jobs of a matrix.
const MOST: usize = 256;

pub(super) fn text(plan: &Plan<'_>) -> String {
    let groups: String =
        plan.groups(MOST).iter().map(|group| format!("          - {}\n", yaml(group))).collect();
    let on = yaml(plan.elsewhere.runs_on.as_deref().unwrap_or("self-hosted"));
    let image =
        plan.elsewhere.image.as_deref().map(|image| format!("    container: {}\n", yaml(image)));
    let image = image.unwrap_or_default();
    let (output, build, merge) = (yaml(&plan.output), plan.shell(), yaml(&plan.merge("parts/*")));
    let build = yaml(&format!("{build} ${{{{ matrix.cells }}}}"));
    format!(
        "name: livepatches\non: workflow_dispatch\njobs:\n  build:\n    runs-on: {on}\n{image}    strategy:\n      \
         fail-fast: false\n      matrix:\n        cells:\n{groups}    steps:\n      - uses: actions/checkout@v4\n      \
         - run: {build}\n      - uses: actions/upload-artifact@v4\n        if: always()\n        with:\n          \
         name: cells-${{{{ strategy.job-index }}}}\n          path: {output}\n  merge:\n    needs: build\n    if: always()\n    \
         runs-on: {on}\n{image}    steps:\n      - uses: actions/checkout@v4\n      - uses: actions/download-artifact@v4\n        \
         with:\n          path: parts\n      - run: {merge}\n      - uses: actions/upload-artifact@v4\n        if: always()\n        \
         with:\n          name: livepatches\n          path: {output}\n"
    )
}
