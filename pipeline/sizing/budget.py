"""A run that is to keep up with its cameras: the proposal becomes its configuration, and stays it."""

import logging

from data.errors import UserError
from data.runtime.choice import Runtimes
from pipeline.config import Config, load_config
from pipeline.folder.run_folder import RunFolder
from pipeline.job.opening import as_site
from pipeline.job.request import RunRequest, Videos
from pipeline.sizing.proposal import propose
from pipeline.weights.store import WeightStore, default_cache_dir

logger = logging.getLogger(__name__)


def within_budget(request: RunRequest, config: Config) -> Config:
    """The configuration with which a run keeps up with its cameras.

    Args:
        request: of the run; one that goes on keeps what it began with, and nothing is measured.
        config: as configured.

    Raises:
        UserError: for a run that does not look for people in recorded videos, and as ``propose``.
    """
    if not isinstance(request.start, Videos) or request.start.detections is not None:
        raise UserError("--budget is about finding people in videos; give --videos alone")
    folder = RunFolder(request.output)
    if request.resume and folder.manifest.exists():
        logger.info("budget: %s goes on as it began, nothing is measured: %s stands", folder.root, folder.config.name)
        return load_config([folder.config])
    weights = WeightStore(offline=config.run.offline, runtimes=Runtimes(default_cache_dir()))
    site = None if request.site is None else as_site(request.site, None)
    proposal = propose(request.start, site, config, weights)
    for line in proposal.lines():
        logger.info("%s", line)
    return proposal.chosen.config
