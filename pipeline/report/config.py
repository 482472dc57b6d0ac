"""The ``report`` section: how much ``report.html`` shows."""

from pydantic import Field

from data.config import Section


class ReportConfig(Section):
    """report.html, the page to look at (tools.report)."""

    anonymize: bool = Field(False, description="blur heads in its pictures; crops of the run stay as they are")
    max_people: int = Field(300, ge=1, description="people shown; the rest is only in global_tracks.json")
    max_links: int = Field(200, ge=0, description="links shown, uncertain ones first; the rest is only in links.jsonl")
    max_pictures_mb: float = Field(12.0, ge=0, description="size of all pictures in the page, megabytes; 0 = none")
    picture_height_px: int = Field(144, ge=32, le=1024, description="height of its pictures, pixels")
