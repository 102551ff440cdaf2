"""Names under which a run keeps things: phases in histories and timings, and parts of a checkpoint."""

# Phases that train or match in epochs. Records of epochs carry these names, and users read them in run.json and the
# report.
STARTS = "starts"
AB_INITIO = "ab-initio"
ENCODER_REFINEMENT = "encoder refinement"
HALF_MAP_REFINEMENT = "half-map refinement"

# Other parts of a run whose time is measured.
READ_PARTICLES = "read particles"
JUDGE_STARTS = "judge starts"
SCORE = "score"
FINAL_MAP = "final map"

# Parts of a checkpoint: the training of the best start and of the second encoder, the poses matched to half maps, and
# an iteration and starts that are under way.
AB_INITIO_PART = "ab_initio"
ENCODER_REFINEMENT_PART = "encoder_refinement"
HALF_MAP_POSES_PART = "half_map_refinement"
HALF_MAP_ITERATION_PART = "half_map_iteration"
STARTS_UNDER_WAY_PART = "start"


def judged_start_part(start: int) -> str:
    """The part of a checkpoint that holds the poses by which one start was judged; starts count from 0."""
    return f"start{start}"
