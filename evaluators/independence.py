"""evaluators: whether the model without a circuit still says something about the model's answers.

Let a and b be LD = logit(target) - logit(wrong target) of the model and of the model with the circuit knocked out. If
the circuit alone does the task, b is independent of a over the examples (Shi et al., arXiv 2410.13032). How far it is
from that is their Hilbert-Schmidt independence criterion over one family, as a share of each score's own:

    dependence = HSIC(a, b) / sqrt(HSIC(a, a) HSIC(b, b))
    HSIC(a, b) = E k(a, a') l(b, b') + E k(a, a') E l(b, b') - 2 E k(a, a') l(b, b'')

0 for independent scores, 1 for equal ones up to scale and shift, whatever the form of the dependence; for normal scores
of correlation .2, .4, .6, .9 it is about .02, .08, .21, .68. k is the Gaussian kernel exp(-(a - a')^2 / 2 s^2), l that
of b. The bandwidth s of each score is the median |a - a'| over pairs of the family's discovery examples, at least
LEAST_BANDWIDTH: no verification example has a say in it. A b that is one and the same in all examples is independent.

**Estimate.** Examples of one template depend on each other, so every example of an expectation is of a template of its
own, and templates count alike: the U-statistic over templates, which has no bias, and which is Song et al.'s (2012)
where templates have one example each. Whole templates are left out for the jackknife: with T templates, the examples of
template t have T D - (T - 1) D(without t). Their mean is the jackknife estimate, their spread over templates its
standard error, which near independence is up to 1.5 times too large. It is small where the estimate happens to be, so
that one family's upper limit of 99.5 % fails in 4 % of samples, four families' in 1 to 2 %, twelve families' in .5 %;
under LEAST_FAMILIES nothing is said. (Simulated: normal scores, 30 templates a family.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from .cells import NotEvaluated
from .circuit_bench import Asked, Bench, Score, Values

LEAST_FAMILIES = 4
"""Of which an upper limit is about as sure as it says."""

LEAST_TEMPLATES = 5
"""Of which one can be left out, and HSIC of the others is defined."""

LEAST_BANDWIDTH = 1e-3
"""logits: differences much smaller than this are arithmetic."""

CONSTANT = 1e-6
"""HSIC of a score with itself under which it is a constant: one that spreads by less than 3 % of its bandwidth."""

Widths = tuple[float, float]
"""Bandwidths of the model's scores, and of those without the circuit, logits."""


class Independence(Score[Mapping[str, Widths]]):
    """Dependence of what the circuit leaves."""

    def __init__(self, bench: Bench, discovery: Bench) -> None:
        """Two benches with the same families.

        Raises:
            NotEvaluated: `too_few_families`.
        """
        super().__init__(bench, discovery)
        if (there := len(bench.blocks)) < LEAST_FAMILIES:
            raise NotEvaluated("too_few_families", f"dependence needs {LEAST_FAMILIES} families, the suite has {there}")

    def learn(self, asked: Asked) -> Mapping[str, Widths]:
        """The bandwidths of each family."""
        return {family: self._widths(family, asked) for family in self.discovery.blocks}

    def values(self, family: str, asked: Asked, learnt: Mapping[str, Widths]) -> Values:
        """`dependence`."""
        if family not in learnt:
            raise NotEvaluated("no_discovery", f"bandwidths are of discovery examples: {family} has none")
        scores, templates = _scores(self.bench, family, asked)
        return {"dependence": pseudo_values(scores, learnt[family], templates).tolist()}

    def _widths(self, family: str, asked: Asked) -> Widths:
        scores, templates = _scores(self.discovery, family, asked)
        return bandwidth(scores[0], templates), bandwidth(scores[1], templates)


def bandwidth(scores: Tensor, templates: Sequence[str]) -> float:
    """Median difference of scores [example] of two templates, logits.

    Raises:
        NotEvaluated: `too_few_templates`, there is only one.
    """
    own = _numbers(templates)
    differences = (scores[:, None] - scores).abs()[own[:, None] != own]
    if not len(differences):
        raise NotEvaluated("too_few_templates", "a bandwidth needs discovery examples of two templates")
    return max(LEAST_BANDWIDTH, float(differences.quantile(0.5)))


def pseudo_values(scores: Tensor, widths: Widths, templates: Sequence[str]) -> Tensor:
    """Jackknife pseudo-values of the dependence of two scores, [score, example] -> [example], by whole templates.

    Raises:
        NotEvaluated: `too_few_templates`; `constant_score`, the model's own is the same in all examples.
    """
    own = _numbers(templates)
    count = int(own.max()) + 1
    if count < LEAST_TEMPLATES:
        raise NotEvaluated("too_few_templates", f"dependence needs {LEAST_TEMPLATES} templates a family, has {count}")
    whole = dependence(scores, widths, own)
    without = torch.stack([dependence(scores[:, own != t], widths, own[own != t]) for t in range(count)])
    return (count * whole - (count - 1) * without)[own]


def dependence(scores: Tensor, widths: Widths, own: Tensor) -> Tensor:
    """HSIC of two scores as a share of their own, [score, example] and each example's template -> []."""
    model, rest = (torch.exp(-(((each[:, None] - each) / s) ** 2) / 2) for each, s in zip(scores, widths, strict=True))
    spread, left = hsic(model, model, own), hsic(rest, rest, own)
    if spread <= CONSTANT:
        raise NotEvaluated("constant_score", "the model's score is the same in all examples: nothing depends on it")
    return hsic(model, rest, own) / (spread * left).sqrt() if left > CONSTANT else torch.zeros_like(left)


def hsic(one: Tensor, other: Tensor, own: Tensor) -> Tensor:
    """The U-statistic over templates, from kernels [example, example] and each example's template -> [].

    Its terms are sums over all distinct templates of means over their examples.
    """
    member = (own == torch.tensor(sorted(set(own.tolist())))[:, None]).to(one)
    member = member / member.sum(1, keepdim=True)
    weights, n = member.sum(0), len(member)
    one, other = (kernel * (own[:, None] != own) for kernel in (one, other))
    towards, others = one @ member.T, other @ member.T  # of an example with a template
    between, betweens = member @ towards, member @ others  # of a template with another
    joint = weights @ (one * other) @ weights
    apart = between.sum() * betweens.sum() - 4 * between.sum(0) @ betweens.sum(0) + 2 * (between * betweens).sum()
    crossed = weights @ (towards.sum(1) * others.sum(1) - (towards * others).sum(1))
    pairs = n * (n - 1)
    found: Tensor = joint / pairs + apart / (pairs * (n - 2) * (n - 3)) - 2 * crossed / (pairs * (n - 2))
    return found


def _scores(bench: Bench, family: str, asked: Asked) -> tuple[Tensor, list[str]]:
    """Of the model and of the model without the circuit, [score, example], float64; each example's template."""
    measured = bench.run(family, [bench.circuit(asked)], asked.value, asked.seed)
    scores = torch.stack([measured.clean["logit_diff"], measured.values["logit_diff"][0]])
    return scores.double().cpu(), [example.template for example in bench.blocks[family].examples]


def _numbers(templates: Sequence[str]) -> Tensor:
    """Each example's template as a number from 0, in order of first appearance."""
    order = {template: i for i, template in enumerate(dict.fromkeys(templates))}
    return torch.tensor([order[template] for template in templates])
