"""XML from anybody: without a document type, so that nothing in it stands for more than is written."""

from pathlib import Path
from xml.etree import ElementTree

from data.errors import UserError
from data.foreign import JSON_BYTES, read_text


def read_xml(path: Path) -> ElementTree.Element:
    """The root of an XML file.

    Raises:
        UserError: when it is absent, too large, no XML, or declares a document type.
    """
    text = read_text(path, JSON_BYTES)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise UserError(f"{path} declares a document type, which is not read; remove it")
    # A declared encoding no longer holds: the text is decoded already.
    body = text.split("?>", 1)[-1] if text.lstrip().startswith("<?xml") else text
    try:
        return ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise UserError(f"{path} is not valid XML ({error})") from None
