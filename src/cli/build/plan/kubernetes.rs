//! An Indexed Job of Kubernetes.

use super::{Plan, ProjectError, yaml};

/// Most bytes of an object (etcd's limit for a request, with room for what the server adds).
const BYTES: usize = 1_400_000;

pub(super) fn text(plan: &Plan<'_>) -> Result<String, ProjectError> {
    let claim = plan.elsewhere.claim.as_deref().ok_or_else(|| {
        ProjectError::new(
            "this plan needs a volume with the project, to which the results go",
            "add [plan] with claim = \"PERSISTENT-VOLUME-CLAIM\"",
        )
    })?;
    let count = plan.cells.len();
    let script = format!(
        "set -eu\n{}exec {} \"$@\"\n",
        plan.choice("JOB_COMPLETION_INDEX", count.max(1)),
        plan.shell()
    );
    let text = format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: klp-convert-build\nspec:\n  completionMode: Indexed\n  \
         completions: {count}\n  parallelism: {}\n  backoffLimitPerIndex: 1\n  maxFailedIndexes: {count}\n  template:\n    spec:\n      \
         restartPolicy: Never\n      containers:\n        - name: klp-convert\n          image: {}\n          \
         workingDir: /work\n          command: [\"/bin/sh\", \"-c\", {}]\n          volumeMounts:\n            \
         - {{ name: work, mountPath: /work }}\n      volumes:\n        - name: work\n          \
         persistentVolumeClaim: {{ claimName: {} }}\n",
        count.min(100),
        yaml(plan.image()?),
        yaml(&script),
        yaml(claim)
    );
    if text.len() > BYTES {
        return Err(ProjectError::new(
            format!(
                "{count} cells are more than a Kubernetes object may have ({} bytes)",
                text.len()
            ),
            "plan a part of them: --target PATTERN or --patch PATTERN",
        ));
    }
    Ok(text)
}
