"""What the trainings whose options are tried begin from."""

import pytest

from tests.reid.training.option_site import CONFIG, make_site


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return make_site(tmp_path_factory.mktemp("site"), range(1, 7))


@pytest.fixture
def config_file(site, tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(CONFIG % {"root": site})
    return path
