//! A job array of Slurm.

use super::{Plan, quoted};

/// Most tasks of an array (`MaxArraySize` is 1001 by default).
const MOST: usize = 1000;

pub(super) fn text(plan: &Plan<'_>) -> String {
    let last = plan.groups(MOST).len().saturating_sub(1);
    let merge = plan.merge(&quoted(&plan.output));
    format!(
        "#!/bin/sh\n# Run: sbatch FILE; then: {merge}\n#SBATCH --job-name=klp-convert\n#SBATCH --array=0-{last}\nset -eu\n\
         {}exec {} \"$@\"\n",
        plan.choice("SLURM_ARRAY_TASK_ID", MOST),
        plan.shell()
    )
}
