"""Local changes to a clustering that raise its evidence: one tracklet moves, or two change places."""

from collections.abc import Iterable, Sequence

from pipeline.association.linkage import Evidence, Group, Sums, between

_EPSILON = 1e-9
_MOST_EVICTED = 2
_MOST_TARGETS = 3
_NO_PAIRS = Sums()


class Refinement:
    """Groups of atoms under change, in steps that can be taken back."""

    def __init__(self, evidence: Evidence, groups: Sequence[Group]) -> None:
        """Start from a partition of the atoms."""
        self._evidence = evidence
        self._groups: dict[int, Group] = dict(enumerate(groups))
        self._owner = [0] * len(evidence.atoms)
        for number, group in self._groups.items():
            for atom in group.atoms:
                self._owner[atom] = number
        self._next = len(groups)
        self._before: dict[int, Group | None] = {}
        self._owner_before: dict[int, int] = {}
        self._touched: set[int] = set()

    @property
    def groups(self) -> list[Group]:
        """The partition as it is."""
        return list(self._groups.values())

    @property
    def changed(self) -> set[int]:
        """Atoms of all groups that lost or won one."""
        return {atom for name in self._touched if name in self._groups for atom in self._groups[name].atoms}

    def sweep(self, atoms: Iterable[int]) -> None:
        """Try to better the place of each of these atoms once."""
        for atom in atoms:
            if not self._move(atom):
                self._exchange(atom)

    def _move(self, atom: int) -> bool:
        """Take an atom to the group it adds most to, or leave it alone where it takes away."""
        stay = self._detach(atom)
        place = self._best_place(atom)
        if place is not None and place[0] > max(stay, 0.0) + _EPSILON:
            self._attach(atom, place[1])
            return self._keep()
        return self._keep() if stay < -_EPSILON else self._undo()

    def _exchange(self, atom: int) -> bool:
        """Take an atom to a group in place of those there that it excludes, which go where they fit next best."""
        for target in self._targets(atom):
            single = self._evidence.atoms[atom]
            members = self._groups[target].atoms
            evicted = [other for other in members if self._evidence.conflict(single, self._evidence.atoms[other])]
            if not 0 < len(evicted) <= min(_MOST_EVICTED, len(members) - 1):
                continue
            total = -sum(self._detach(one) for one in (atom, *evicted))
            total += self._attach(atom, target)
            for one in evicted:
                if len(self._groups[self._owner[one]].atoms) > 1:
                    # Another one who had to go has joined it.
                    continue
                place = self._best_place(one)
                if place is not None:
                    total += self._attach(one, place[1])
            if total > _EPSILON:
                return self._keep()
            self._undo()
        return False

    def _targets(self, atom: int) -> list[int]:
        """Other groups an atom is drawn to, strongest first."""
        around = between(self._evidence.edges, (atom,), self._owner)
        names = sorted(name for name in around if name != self._owner[atom])
        single = self._evidence.atoms[atom]
        found = [self._evidence.linkage(single, self._groups[name], around[name]) for name in names]
        drawn = sorted((-linkage, name) for linkage, name in zip(found, names) if linkage > 0)
        return [name for _, name in drawn[:_MOST_TARGETS]]

    def _best_place(self, atom: int) -> tuple[float, int] | None:
        """Gain and number of the group an atom adds most to, among those that exclude nothing; None if none gains."""
        single = self._evidence.atoms[atom]
        around = between(self._evidence.edges, (atom,), self._owner)
        names = sorted(name for name in around if name != self._owner[atom])
        targets = [self._groups[name] for name in names]
        linkages = [self._evidence.linkage(single, target, around[name]) for name, target in zip(names, targets)]
        gains = [linkage * len(single.rows) * len(target.rows) for linkage, target in zip(linkages, targets)]
        for gain, name in sorted((-gain, name) for gain, name in zip(gains, names) if gain > 0):
            if not self._evidence.conflict(single, self._groups[name]):
                return -gain, name
        return None

    def _detach(self, atom: int) -> float:
        """Put an atom on its own; returns what it added to its group."""
        home = self._owner[atom]
        rest = [other for other in self._groups[home].atoms if other != atom]
        if not rest:
            return 0.0
        remaining = self._evidence.group(rest)
        gain = self._gain(atom, remaining, home)
        self._set(home, remaining)
        self._set(self._next, self._evidence.atoms[atom])
        self._own(atom, self._next)
        self._next += 1
        return gain

    def _attach(self, atom: int, target: int) -> float:
        """Put an atom that is on its own into a group; returns what it adds."""
        gain = self._gain(atom, self._groups[target], target)
        self._set(self._owner[atom], None)
        self._set(target, self._evidence.group((*self._groups[target].atoms, atom)))
        self._own(atom, target)
        return gain

    def _gain(self, atom: int, group: Group, name: int) -> float:
        single = self._evidence.atoms[atom]
        sums = between(self._evidence.edges, (atom,), self._owner).get(name, _NO_PAIRS)
        return self._evidence.linkage(single, group, sums) * len(single.rows) * len(group.rows)

    def _set(self, name: int, group: Group | None) -> None:
        self._before.setdefault(name, self._groups.get(name))
        if group is None:
            del self._groups[name]
        else:
            self._groups[name] = group

    def _own(self, atom: int, name: int) -> None:
        self._owner_before.setdefault(atom, self._owner[atom])
        self._owner[atom] = name

    def _keep(self) -> bool:
        self._touched |= self._before.keys()
        self._before, self._owner_before = {}, {}
        return True

    def _undo(self) -> bool:
        for name, group in self._before.items():
            if group is None:
                self._groups.pop(name, None)
            else:
                self._groups[name] = group
        for atom, name in self._owner_before.items():
            self._owner[atom] = name
        self._before, self._owner_before = {}, {}
        return False
