"""specs: the named models, suites and recorded-evidence maps, and what the names in a claim stand for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, TypeAdapter

from .behaviour import Behaviour
from .claim import ClaimAdapter, CompositeClaim, check_conditions
from .errors import Fault, SpecError, listed, nearest, shown
from .forms import Migration, TopComponent
from .judge import Judge, Rubric
from .load import Folder, LoadedClaim, load_folder, yaml_files
from .located import rule_broken
from .model import Model
from .published import PublishedPages, Sentence
from .recipe import Recipe
from .recorded import RecordedMap
from .references import Reference, inlined, references
from .suite import Suite
from .yaml_document import Document

T = TypeVar("T", bound=BaseModel)

PACKAGED = Path(__file__).parent / "library"
"""The models, suites and maps that ship with mi-atlas."""

FOLDERS = {
    "model": "models",
    "suite": "suites",
    "recorded": "recorded",
    "recipe": "recipes",
    "judge": "judges",
    "rubric": "rubrics",
    "behaviour": "behaviours",
    "published": "published",
}
"""The field that holds a spec's name -> the folder of its kind."""

KINDS: dict[str, type[BaseModel]] = {
    "model": Model,
    "suite": Suite,
    "recipe": Recipe,
    "judge": Judge,
    "rubric": Rubric,
    "behaviour": Behaviour,
    "published": PublishedPages,
    "recorded": RecordedMap,
}
"""Kind of named spec -> its class. Claims, and specs that claims name, name all but recorded-evidence maps."""

ALWAYS = ("model", "suite")
"""The kinds that are read whatever claims name."""

MOST_LISTED = 12
"""Names that a message lists."""

_Shelf: TypeAlias = tuple[dict[str, T | None], list[Fault]]
"""Specs by name, None for one whose file is faulty; and the faults of all files."""


class Library:
    """Named specs: `models/*.yaml`, `suites/*.yaml`, `recipes/*.yaml` ... of the folders given, then of the package.

    The first folder that has a name wins. A kind is read when the first spec of it is asked for.
    """

    def __init__(self, folders: Iterable[Path] = ()) -> None:
        self._folders = (*folders, PACKAGED)
        self._shelves: dict[str, _Shelf[Any]] = {}
        self._documents: dict[str, dict[str, Document]] = {}

    def find(self, kind: str, name: str) -> Any:
        """The spec of a kind and name, with what it names itself written out.

        Raises:
            SpecError: there is none, or its file is faulty.
        """
        return inlined(self._get(kind, self._shelf(kind), name), self.find)

    def model(self, name: str) -> Model:
        """The model of a name.

        Raises:
            SpecError: there is none, or its file is faulty.
        """
        found: Model = self.find("model", name)
        return found

    def suite(self, name: str) -> Suite:
        """The suite of a name.

        Raises:
            SpecError: there is none, or its file is faulty.
        """
        found: Suite = self.find("suite", name)
        return found

    def names(self, kind: str) -> list[str]:
        """The names of all specs of a kind, sorted; also of those whose file is faulty."""
        return sorted(self._shelf(kind)[0])

    def has(self, kind: str, name: str) -> bool:
        """Whether there is a spec of a kind and name; also where its file is faulty."""
        return name in self._shelf(kind)[0]

    @property
    def maps(self) -> dict[str, RecordedMap]:
        """Every recorded-evidence map, by name.

        Raises:
            SpecError: the file of one is faulty.
        """
        specs, faults = self._shelf("recorded")
        if faults:
            raise SpecError(faults)
        return {name: spec for name, spec in sorted(specs.items()) if spec}

    @property
    def published(self) -> list[PublishedPages]:
        """What was published, in the order of the files' names."""
        return [spec for _, spec in sorted(self._shelf("published")[0].items()) if spec]

    @cached_property
    def sentences(self) -> dict[str, Sentence]:
        """Every published sentence that claims may name, by id, in the order of the pages."""
        return {sentence.id: sentence for pages in self.published for sentence in pages.sentences}

    @property
    def models(self) -> list[str]:
        """The names of all models, sorted; also of those whose file is faulty."""
        return self.names("model")

    @property
    def suites(self) -> list[str]:
        """The names of all suites, sorted; also of those whose file is faulty."""
        return self.names("suite")

    def faults(self, every: bool = True) -> list[Fault]:
        """Every fault of every file of the library, but for maps: no claim names one, and `maps` tells theirs.

        Without `every`, only of models, suites, and of the kinds that were asked for so far: an audit reads no others.
        """
        wrong: list[Fault] = []
        for kind in (kind for kind in KINDS if kind != "recorded"):
            if every or kind in ALWAYS or kind in self._shelves:
                wrong += (*self._shelf(kind)[1], *self._unknown(kind))
        return [*wrong, *self._strays()]

    def _shelf(self, kind: str) -> _Shelf[Any]:
        if kind not in self._shelves:
            loaded = self._loaded(kind, KINDS[kind])
            self._shelves[kind] = {name: spec for name, (spec, _) in loaded[0].items()}, loaded[1]
            self._documents[kind] = {name: document for name, (_, document) in loaded[0].items()}
        return self._shelves[kind]

    def _unknown(self, kind: str) -> Iterator[Fault]:
        """The names in specs of a kind that stand for nothing."""
        for name, spec in self._shelf(kind)[0].items():
            if spec is not None:
                yield from unknown(self._documents[kind][name], references(spec), self)

    def _loaded(self, field: str, kind: type[T]) -> tuple[Folder[T], list[Fault]]:
        specs: Folder[T] = {}
        faults: list[Fault] = []
        for folder in (each / FOLDERS[field] for each in self._folders):
            if folder.exists():
                loaded, wrong = load_folder(folder, field, TypeAdapter(kind))
                specs = loaded | specs
                faults += wrong
        return specs, faults

    def _strays(self) -> Iterator[Fault]:
        """Files of a library that are of no kind, and would be passed over in silence."""
        for folder in filter(Path.exists, self._folders):
            paths, faults = yaml_files(folder)
            accepted = listed(f"{name}/" for name in FOLDERS.values())
            strays = [Fault(path, 1, 1, "", "is of no kind of spec", accepted=accepted) for path in paths]
            for fault in (*strays, *faults):
                if fault.path.relative_to(folder).parts[0] not in FOLDERS.values():
                    yield fault

    def _get(self, field: str, shelf: _Shelf[T], name: str) -> T:
        specs, faults = shelf
        if spec := specs.get(name):
            return spec
        if name in specs:
            raise SpecError(faults)
        file = self._folders[0] / FOLDERS[field] / f"{name}.yaml"
        raise SpecError([Fault(file, 1, 1, "", f"there is no {field} of that name", **_choice(name, sorted(specs)))])


def load_workspace(claims: Path, library: Library) -> tuple[dict[str, LoadedClaim], list[Fault]]:
    """Every claim below a folder that is faultless and names only what exists; the faults of all, and of specs."""
    loaded, faults = load_folder(claims, "claim", ClaimAdapter)
    known = {name: LoadedClaim(claim, document) if claim else None for name, (claim, document) in loaded.items()}
    sound: dict[str, LoadedClaim] = {}
    for name, claim in known.items():
        wrong = check_references(claim, library, known) if claim else []
        if claim and not wrong:
            sound[name] = written_out(claim, library)
            wrong = check_written_out(sound[name]) if sound[name] is not claim else []
        if wrong:
            sound.pop(name, None)
        faults += wrong
    return sound, [
        *library.faults(every=False),
        *sorted(faults, key=lambda fault: (fault.path, fault.line, fault.column)),
    ]


def check_references(loaded: LoadedClaim, library: Library, claims: Mapping[str, LoadedClaim | None]) -> list[Fault]:
    """The names in a claim that stand for nothing; `claims` holds None for a claim whose file is faulty."""
    claim, document = loaded.claim, loaded.document
    prose = [] if claim.twin is None or claim.twin in claims else [_no_claim(document, ("twin",), claim.twin, claims)]
    for index, sentence in enumerate(claim.published.sentences if claim.published else ()):
        if sentence not in library.sentences:
            path = ("published", "sentences", index)
            choice = _choice(sentence, sorted(library.sentences))
            prose.append(document.fault(path, "there is no published sentence of that id", **choice))
    if isinstance(claim, CompositeClaim):
        children = range(len(claim.expect.claims))
        return [*prose, *(fault for index in children for fault in _check_child(loaded, index, claims))]
    held = (
        (("model",), "model", claim.model),
        (("suite",), "suite", claim.suite),
        (("metric", "donor"), "model", getattr(claim.metric, "donor", None)),
    )
    named = [Reference(path, kind, name) for path, kind, name in held if isinstance(name, str)]
    named += references(claim.metric, ("metric",))
    if isinstance(claim.suite, Suite):
        named += references(claim.suite, ("suite",))
    return [*prose, *unknown(document, named, library)]


def unknown(document: Document, named: Iterable[Reference], library: Library) -> Iterator[Fault]:
    """The names that stand for nothing."""
    for path, kind, name in named:
        if not library.has(kind, name):
            yield document.fault(path, f"there is no {kind} of that name", **_choice(name, library.names(kind)))


def written_out(loaded: LoadedClaim, library: Library) -> LoadedClaim:
    """The claim with the recipes, judges and other specs that its metric and suite name written out.

    Its model, suite and donor keep their names, by which claims are selected.
    """
    claim = loaded.claim
    if isinstance(claim, CompositeClaim):
        return loaded
    suite = inlined(claim.suite, library.find) if isinstance(claim.suite, Suite) else claim.suite
    metric = inlined(claim.metric, library.find)
    if suite is claim.suite and metric is claim.metric:
        return loaded
    return replace(loaded, claim=claim.model_copy(update={"metric": metric, "suite": suite}))


def check_written_out(loaded: LoadedClaim) -> list[Fault]:
    """What is wrong with conditions that only the library knows."""
    if isinstance(loaded.claim, CompositeClaim):
        return []
    try:
        loaded.claim.metric.trainings  # noqa: B018
    except ValueError as error:
        return [rule_broken(("metric", "recipe"), str(error), loaded.document)]
    problem = check_conditions(loaded.claim)
    return [rule_broken((), problem, loaded.document)] if problem else []


def _no_claim(document: Document, path: tuple[str | int, ...], name: str, claims: Iterable[str]) -> Fault:
    return document.fault(path, "there is no claim of that name", **_choice(name, sorted(claims)))


def _check_child(loaded: LoadedClaim, index: int, claims: Mapping[str, LoadedClaim | None]) -> list[Fault]:
    """A composite rests on claims that exist, a migration on top_component claims."""
    path: tuple[str | int, ...] = ("expect", "claims", index)
    name = loaded.document.get(path)
    if name not in claims:
        return [_no_claim(loaded.document, path, name, claims)]
    child = claims[name]
    if child is not None and isinstance(child.claim, CompositeClaim):
        return [loaded.document.fault(path, "is itself a claim over other claims", shown(name), "a measured claim")]
    if child is None or not isinstance(loaded.claim.expect, Migration) or isinstance(child.claim.expect, TopComponent):
        return []
    return [loaded.document.fault(path, f"is a claim of form {child.claim.expect.form}", shown(name), "top_component")]


def _choice(name: str, names: Sequence[str]) -> dict[str, str]:
    """A name that stands for nothing: what was found, what is accepted, what was probably meant."""
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    accepted = listed(names[:MOST_LISTED]) + more if names else "none yet"
    return {"found": shown(name), "accepted": accepted, "suggestion": nearest(name, names)}
