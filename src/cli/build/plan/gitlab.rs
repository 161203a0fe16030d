//! A pipeline of GitLab.

use super::{Plan, ProjectError, quoted, yaml};

/// Most jobs of a matrix.
const MOST: usize = 200;

pub(super) fn text(plan: &Plan<'_>) -> Result<String, ProjectError> {
    let groups: String =
        plan.groups(MOST).iter().map(|group| format!("          - {}\n", yaml(group))).collect();
    let (output, image) = (yaml(&plan.output), yaml(plan.image()?));
    // The variable is split into words, of which a name with quotes has several.
    let build = yaml(&format!("eval \"{} $CELLS\"", plan.shell().replace('"', "\\\"")));
    let merge = yaml(&plan.merge(&quoted(&plan.output)));
    Ok(format!(
        "stages: [build, merge]\nbuild:\n  stage: build\n  image: {image}\n  parallel:\n    matrix:\n      - CELLS:\n{groups}  \
         script:\n    - {build}\n  artifacts:\n    when: always\n    paths:\n      - {output}\nmerge:\n  stage: merge\n  image: {image}\n  \
         when: always\n  script:\n    - {merge}\n  artifacts:\n    when: always\n    paths:\n      - {output}\n"
    ))
}
