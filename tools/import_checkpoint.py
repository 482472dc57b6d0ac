"""Convert a published checkpoint (KPR, BPBReID, SAN, gait encoders) to safetensors, running nothing it contains.

    python -m tools.import_checkpoint kpr_occ_duke_SOLIDER_75.12_84.25_41443413.pth.tar --accept-licence hl3 --install
    python -m tools.import_checkpoint BIWI_LA_x_6_0.1_0pre_rev_rec/trained_model.ckpt.index --out reverse.safetensors
    python -m tools.import_checkpoint BIWI/6/BIWI_train_npy_data/ids_BIWI_6.npy
    python -m tools.import_checkpoint SAN_PG.pkl --out san_pg.safetensors

The second is a gait encoder of TensorFlow, whose other axes lie beside it; the third, pickled sequence numbers of a
gait data set, becomes .json; the last, a pickled network, is SAN's generator of textures. Given a .safetensors file of
KPR or BPBReID and an --out that ends in .pth.tar, it converts the other way.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from data.errors import UserError
from pipeline.cli import run
from pipeline.weights.store import default_cache_dir
from reid.models.spec import IMAGENET_MEAN, IMAGENET_STD, PROMPT_GROUPS
from reid.weights.checkpoints import CheckpointInfo, save_checkpoint

_NORMALISATIONS = {"solider": ((0.5,) * 3, (0.5,) * 3), "imagenet": (IMAGENET_MEAN, IMAGENET_STD)}


def main(argv: Sequence[str] | None = None) -> int:
    """Convert one file and report what was taken over."""
    arguments = _parser().parse_args(argv)
    source: Path = arguments.file
    exporting = source.suffix == ".safetensors"
    ids, gait = source.suffix == ".npy", source.suffix == ".index"
    stem = source.name.removesuffix(".pkl").partition(".pth")[0].partition(".ckpt")[0]
    name = source.stem + ".json" if ids else f"{stem}.safetensors"
    san = not (ids or gait or exporting) and _is_san(source)
    if (ids or gait or san) and arguments.install:
        raise UserError("--install is for KPR; give --out, or nothing")
    if arguments.install and (exporting or arguments.out):
        raise UserError("--install puts a converted .pth.tar into the cache; leave --out away")
    out: Path = arguments.out or (default_cache_dir() / name if arguments.install else source.with_name(name))
    if exporting and not out.name.endswith(".pth.tar"):
        raise UserError("a .safetensors file is converted to the originals' format: give --out NAME.pth.tar")
    if out.exists() and not arguments.overwrite:
        raise UserError(f"{out} exists already; give another --out, or --overwrite")
    if exporting:
        from reid.weights.published import export_published

        export_published(source, out)
        print(f"{out}: written in the originals' format")
        return 0
    if ids:
        _import_ids(source, out)
    elif gait:
        _import_gait(source, out)
    elif san:
        _import_san(source, out)
    else:
        _import(source, out, arguments)
    return 0


def _import_ids(source: Path, out: Path) -> None:
    import json

    from data.atomic import write_text
    from reid.weights.pickled_ids import read_ids

    found = read_ids(source)
    write_text(out, json.dumps(found) + "\n")
    print(f"{out}: {sum(map(len, found.values()))} sequences of {len(found)} people")


def _import_gait(source: Path, out: Path) -> None:
    from data.weight_records import file_sha256
    from reid.gait.files import save_encoder
    from reid.gait.published import import_axes

    model = import_axes(source)
    save_encoder(out, model, {"source": source.parent.name, "sha256": file_sha256(source), "people": "real"})
    spec = model.spec
    print(f"{out}: gait encoder of task {spec.task}, {spec.frames} frames of {spec.joints} joints")
    print(f"use it with python -m tools.train_gait --encoder {out}")


def _is_san(source: Path) -> bool:
    from reid.weights.san import is_published_san

    return is_published_san(source)


def _import_san(source: Path, out: Path) -> None:
    from reid.weights.san import import_san, save_san

    found = import_san(source)
    save_san(out, found.model, found.provenance)
    print(f"{out}: SAN with its decoder, {found.model.spec.identities} identities; {found.taken} tensors taken over")
    _tell((("fresh (no texture depends on them)", found.fresh), ("left out", found.dropped)))
    if found.fresh:
        print("without an embedding layer it is a generator of textures only: python -m tools.make_textures --weights")
    else:
        print(f"use it with reid.name=san reid.weights={out}")


def _tell(named: Iterable[tuple[str, Sequence[str]]]) -> None:
    for what, names in named:
        if names:
            print(f"{len(names)} {what}: {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}")


def _import(source: Path, out: Path, arguments: argparse.Namespace) -> None:
    from reid.weights.published import LICENCE, import_published, swinv2_windows

    if arguments.accept_licence != "hl3":
        raise UserError(
            f"KPR and BPBReID weights are under the {LICENCE}: read it, and if you accept it add --accept-licence hl3"
        )
    overrides: dict[str, Any] = {}
    if arguments.normalisation:
        overrides["mean"], overrides["std"] = _NORMALISATIONS[arguments.normalisation]
    if arguments.size:
        overrides["height"], overrides["width"] = arguments.size
    if arguments.semantic_weight is not None:
        overrides["semantic_weight"] = arguments.semantic_weight
    if arguments.window:
        overrides |= swinv2_windows(arguments.window)
    for field in ("prompt_groups", "negatives", "background_token"):
        if getattr(arguments, field) is not None:
            overrides[field] = getattr(arguments, field)
    taken = import_published(source, overrides)
    save_checkpoint(out, taken.state, taken.spec, taken.provenance)
    spec = taken.spec
    print(f"{out}: {spec.architecture} on {spec.backbone}, input {spec.height}x{spec.width}")
    print(f"parts: {', '.join(spec.part_names)}")
    print(f"{len(taken.state) - len(taken.filled)} tensors taken over")
    _tell((("fresh (no embedding depends on them)", taken.filled), ("left out", taken.dropped)))
    for guess in taken.guessed:
        print(f"assumed: {guess}")
    if not arguments.install or spec.architecture != "kpr" or spec.needs_masks:
        print(f"use it with reid.name=kpr reid.weights={out}")
    elif CheckpointInfo(spec=spec, provenance=taken.provenance).people == "synthetic":
        print(f"trained on synthetic people, so never taken by itself: reid.name=kpr reid.weights={out}")
    else:
        print("installed: runs take it by themselves (reid.name=auto)")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.import_checkpoint", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "file", type=Path, help="published .pth.tar, .pkl, .index or .npy, or a .safetensors to convert back"
    )
    parser.add_argument("--out", type=Path, help="file to write (default: beside the source, .safetensors)")
    parser.add_argument(
        "--install", action="store_true", help="write into the cache ($MTMCT_CACHE), where runs find KPR by themselves"
    )
    parser.add_argument(
        "--accept-licence", metavar="NAME", help="hl3: you accept the Hippocratic Licence of the weights"
    )
    parser.add_argument("--normalisation", choices=sorted(_NORMALISATIONS), help="where the file does not tell")
    parser.add_argument("--size", type=_size, metavar="HxW", help="input size px, where the file does not tell")
    parser.add_argument("--semantic-weight", type=float, help="SOLIDER's semantic weight; -1 switches it off")
    parser.add_argument(
        "--prompt-groups", choices=sorted(PROMPT_GROUPS), help="keypoints of each prompt channel, against what it tells"
    )
    parser.add_argument(
        "--negatives",
        action=argparse.BooleanOptionalAction,
        help="whether a prompt channel is for other people's keypoints, where its tensors do not tell",
    )
    parser.add_argument(
        "--background-token",
        action=argparse.BooleanOptionalAction,
        help="whether the prompt tokenizer sees the background's channel, likewise",
    )
    parser.add_argument("--window", metavar="WINDOW", help="of a Swin V2, as in timm's name: 12to16, or 16")
    parser.add_argument("--overwrite", action="store_true", help="replace the output file")
    return parser


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise argparse.ArgumentTypeError(f"'{text}' is not HEIGHTxWIDTH, as 384x128")
    return int(height), int(width)


if __name__ == "__main__":
    sys.exit(run(main))
