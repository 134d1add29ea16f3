"""Table 6 on a small data set as a study."""

from spl_tf import files
from spl_tf.experiment.arms import Arm
from spl_tf.experiment.noise_matrices import counted_transition
from spl_tf.experiment.runner import Runner
from tools.study.results import Row
from tools.study.run import Study
from tools.table6.rows import ROWS, all_arms


def table6_study(output_dir: files.Path, num_seeds: int) -> Study:
    """With the settings of the recipe's gin file."""
    arms = {key: ROWS[key.row] for key in all_arms(num_seeds)}
    return Study(output_dir, arms, ROWS["weak"], settings_of=_counted_on)


def _counted_on(runner: Runner, arm: Arm) -> Row:
    """The list of both labels, for rows whose noise matrix is counted on it."""
    if arm.transition is not counted_transition or (listed := runner.sets.lists(arm).both_labels) is None:
        return {}
    return {"both labels": files.sha256(listed)}
