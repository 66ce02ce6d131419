# SPDX-License-Identifier: Apache-2.0
"""Information bounds: what training counts, what the tables say, and what a stream takes.

After the tests of TensorFlow Compression's entropy models, over ten scales each:

    entropy of the source <= bits of the density <= ideal cost in the frozen tables <= stream,

each within a stated distance of the next. The conditional model trains on the rounded symbols
themselves, so its training bits *are* its evaluation bits; the factorised bottleneck trains with
noise, so its training bits are larger in expectation.
"""

import math

import numpy as np
import pytest
from helpers import gradients
from keras import ops

from gan_tfc.coding.scan import SCALE_INDEXES
from gan_tfc.coding.tables import CodingTables, table_from_pmf
from gan_tfc.entropy_models.conditional import ConditionalEntropyModel, scale_of
from gan_tfc.entropy_models.deep_factorized import DeepFactorizedBottleneck
from gan_tfc.entropy_models.freezing import coding_tables
from gan_tfc.entropy_models.tfc_coder import make_coder

SYMBOLS = 60_000
#: Ten of the rows 1..63; row 0 is never coded.
INDEXES = np.linspace(1, 63, 10).astype(int)
#: Scales of the factorised prior, from "nearly always zero" to where a table is cut.
SCALES = np.geomspace(0.1, 200, 10)
#: Statistical tolerances are this many standard errors: one false alarm in 30,000.
SIGMAS = 4


def numpy(x):
    return ops.convert_to_numpy(x)


def standard_error(values):
    return values.std() / math.sqrt(values.size)


def stream_bits(tables, symbols, rows):
    """Bits that the coder takes, after a check that it gives the symbols back."""
    coder = make_coder(tables)
    encoder = coder.encoder()
    encoder.encode(symbols, rows)
    data = encoder.finish()
    np.testing.assert_array_equal(coder.decoder(data).decode(rows), symbols)
    return 8 * len(data)


def table_bits(tables, symbols, rows):
    """Ideal cost of each symbol, float64."""
    reach = int(np.abs(symbols).max()) + 1
    return tables.cost_matrix(-reach, reach)[rows, symbols + reach].astype(np.float64)


# --- the conditional model -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def tables(tiny_codec):
    return coding_tables(tiny_codec.model)


@pytest.fixture(scope="module")
def conditional(tiny_codec):
    return tiny_codec.model.conditional


def source(conditional, index, seed=0):
    """Latents of the density itself about means on the grid; symbols and bits from the layer."""
    rng = np.random.default_rng(seed)
    mean = rng.integers(-127, 128, (1, SYMBOLS, 1, 1)).astype(np.float32) / 4
    scale = float(scale_of(float(index)))
    latents = mean + rng.logistic(0, scale, mean.shape).astype(np.float32)
    scale_index = np.full_like(mean, index)
    values, bits, _ = conditional(latents, mean, scale_index)
    symbols = numpy(values) - mean
    np.testing.assert_array_equal(symbols, np.rint(symbols))
    return symbols.reshape(-1).astype(np.int32), numpy(bits).reshape(-1).astype(np.float64)


def entropy(conditional, index):
    """Entropy of the symbols in float64, from the definition of their intervals."""
    scale = 0.07 * (500 / 0.07) ** ((index - 1) / 62)
    k = np.arange(0, 60_000, dtype=np.float64)
    # 1 - cdf at each upper edge; its differences are the masses of 1, 2, ... and by symmetry -1, ...
    above = 1 / (1 + np.exp(np.minimum((k + 0.5 + conditional.dead_zone) / scale, 700)))
    masses = np.concatenate([[1 - 2 * above[0]], -np.diff(above), -np.diff(above)])
    masses = masses[masses > 0]
    return -(masses * np.log2(masses)).sum()


@pytest.mark.parametrize("index", INDEXES)
def test_bits_of_the_density_are_the_entropy_of_its_own_symbols(conditional, index):
    _, bits = source(conditional, index)
    # The floor of 1e-7 under probabilities matters to one symbol in 10^7.
    tolerance = SIGMAS * standard_error(bits) + 1e-5
    assert bits.mean() == pytest.approx(entropy(conditional, index), abs=tolerance)


@pytest.mark.parametrize("index", INDEXES)
def test_training_bits_are_a_bound_that_only_the_right_scale_reaches(conditional, index):
    """Gibbs: another scale index costs more, so that training finds the right one."""
    symbols, bits = source(conditional, index)
    for other in (index - 6, index - 2, index + 2, index + 6):
        if 1 <= other <= 63:
            wrong = conditional.bits(symbols.astype(np.float32), 0.0, float(other))
            excess = numpy(wrong).astype(np.float64) - bits
            assert excess.mean() > -SIGMAS * standard_error(excess)
    far = numpy(conditional.bits(symbols.astype(np.float32), 0.0, float((index + 32) % 63 + 1)))
    assert far.mean() > 1.2 * bits.mean()


@pytest.mark.parametrize("index", INDEXES)
def test_frozen_tables_cost_what_the_density_says(tables, conditional, index):
    symbols, bits = source(conditional, index)
    cost = table_bits(tables, symbols, np.full(symbols.shape, index))
    escaped = np.abs(symbols) > -tables.offset[index]
    # Counts of 2^-16 cost 0.15 % at worst, in the tails of wide rows. What a row cuts off takes an
    # escape and a gamma code, up to ten bits more than the density's tail.
    excess = (cost - bits).mean()
    assert excess < 0.002 * bits.mean() + 1e-4 + 10 * escaped.mean()
    assert excess > -SIGMAS * standard_error(cost - bits) - 1e-5
    assert escaped.mean() < (0.04 if index == 63 else 0.001)


@pytest.mark.parametrize("index", INDEXES)
def test_a_stream_of_one_scale_takes_its_bits(tables, conditional, index):
    symbols, _ = source(conditional, index)
    rows = np.full(symbols.shape, index, np.int32)
    expected = table_bits(tables, symbols, rows).sum()
    actual = stream_bits(tables, symbols, rows)
    assert expected - 64 <= actual <= 1.005 * expected + 64


def test_a_stream_of_all_scales_takes_its_bits(tables, conditional):
    parts = [source(conditional, index) for index in INDEXES]
    symbols = np.concatenate([symbols for symbols, _ in parts])
    rows = np.repeat(INDEXES, SYMBOLS).astype(np.int32)
    order = np.random.default_rng(1).permutation(rows.size)
    symbols, rows = symbols[order], rows[order]
    expected = table_bits(tables, symbols, rows).sum()
    actual = stream_bits(tables, symbols, rows)
    assert expected - 64 <= actual <= 1.005 * expected + 64
    assert actual == pytest.approx(sum(bits.sum() for _, bits in parts), rel=0.005)


@pytest.mark.parametrize("family", ["logistic", "gaussian", "laplace"])
@pytest.mark.parametrize("dead_zone", [0, 0.15, 0.4])
def test_every_family_s_symbols_have_probabilities_that_add_up_to_one(family, dead_zone):
    model = ConditionalEntropyModel(family, dead_zone)
    symbols = np.arange(-4000, 4001, dtype=np.float32)
    for index in (1, 13, 30, 48):
        bits = numpy(model.bits(symbols, 0.0, float(index))).astype(np.float64)
        probabilities = np.exp2(-bits)
        floored = probabilities < 1.01e-7
        # float32 masses: relative 1e-6, and steps of 6e-8 where the distribution nears one.
        assert probabilities[~floored].sum() == pytest.approx(1, abs=2e-5)


def test_gradients_point_to_the_right_scale_and_the_right_mean(conditional):
    symbols = source(conditional, 30)[0].reshape(1, -1, 1, 1).astype(np.float32)

    def bits(mean, scale_index):
        latents = ops.convert_to_tensor(symbols)
        _, spent, error = conditional(latents, latents * 0 + mean, latents * 0 + scale_index)
        return ops.mean(spent + error)

    for index, sign in ((24.0, -1), (36.0, 1)):
        _, slope = gradients(bits, [np.float32(0), np.float32(index)])
        assert np.sign(slope) == sign
    for mean, sign in ((0.3, 1), (-0.3, -1)):
        slope, _ = gradients(bits, [np.float32(mean), np.float32(30)])
        assert np.sign(slope) == sign


@pytest.mark.parametrize("latent", [0.0, 0.5, -0.65, 1e4, -1e4])
@pytest.mark.parametrize("index", [0.0, 20.0, 63.0])
def test_bits_and_gradients_are_finite_on_integers_halves_and_far_away(conditional, latent, index):
    def bits(mean, scale_index):
        latents = ops.full((1, 1, 1, 1), latent)
        _, spent, _ = conditional(latents, latents * 0 + mean, latents * 0 + scale_index)
        return ops.sum(spent)

    arguments = [np.float32(0), np.float32(index)]
    assert 0 <= float(bits(*arguments)) < 24  # the floor of 1e-7 is 23.25 bits
    assert all(np.isfinite(g) for g in gradients(bits, arguments))


def test_the_dead_zone_is_where_its_docstring_says():
    model = ConditionalEntropyModel(dead_zone=0.15)
    residuals = np.array([0.64, 0.66, -0.64, -0.66, 1.64, 1.66, -2.7], np.float32)
    values, _, error = model(residuals, residuals * 0, residuals * 0 + 20)
    expected = np.array([0, 1, 0, -1, 1, 2, -3])
    np.testing.assert_array_equal(numpy(values), expected)
    np.testing.assert_allclose(numpy(error), (residuals - expected) ** 2, rtol=1e-6)


# --- the factorised bottleneck -------------------------------------------------------------------


def logistic_bottleneck(scale):
    """Without hidden layers the density is a logistic one, here centred and of one channel."""
    layer = DeepFactorizedBottleneck(1, filters=())
    layer.build()
    layer.matrices[0].assign(np.full((1, 1, 1), np.log(np.expm1(1 / scale))))
    layer.biases[0].assign(np.zeros((1, 1, 1)))
    return layer


def logistic_latents(scale):
    rng = np.random.default_rng(2)
    return rng.logistic(0, scale, (1, SYMBOLS, 1, 1)).astype(np.float32)


def bottleneck_tables(layer, width=1.0):
    rows, offsets = zip(*(table_from_pmf(pmf, offset) for offset, pmf in layer.pmf(width)), strict=True)
    return CodingTables(rows, np.array(offsets, np.int32))


@pytest.mark.parametrize("scale", SCALES)
def test_training_bits_are_at_least_evaluation_bits(scale):
    layer, latents = logistic_bottleneck(scale), logistic_latents(scale)
    _, training = layer(latents, training=True)
    _, evaluation = layer(latents, training=False)
    excess = (numpy(training) - numpy(evaluation)).astype(np.float64)
    tolerance = SIGMAS * standard_error(excess)
    assert excess.mean() > -tolerance
    if scale > 2:  # rounding and noise then give the same density: the bound is tight
        assert excess.mean() < tolerance + 1e-3
    if scale < 0.3:  # noise as wide as the rounding interval blurs a narrow prior
        assert excess.mean() > 0.05


@pytest.mark.parametrize("scale", SCALES)
def test_a_bottleneck_s_stream_takes_its_bits(scale):
    layer, latents = logistic_bottleneck(scale), logistic_latents(scale)
    values, bits = (numpy(x).reshape(-1) for x in layer(latents))
    symbols = values.astype(np.int32)
    np.testing.assert_array_equal(symbols, np.floor(latents.reshape(-1) + 0.5))
    tables = bottleneck_tables(layer)
    rows = np.zeros(symbols.shape, np.int32)
    ideal = table_bits(tables, symbols, rows)
    assert ideal.sum() - 64 <= stream_bits(tables, symbols, rows) <= 1.005 * ideal.sum() + 64
    # As for the conditional model: counts of 2^-16, and a tail of 2^-12 that takes escapes.
    excess = (ideal - bits).mean()
    assert -SIGMAS * standard_error(ideal - bits) - 1e-5 < excess < 0.005 * bits.mean() + 4e-3


@pytest.mark.parametrize("octave", [0, 3, 6])
def test_rows_of_the_coarsest_band_take_the_bits_of_the_bottleneck(tiny_codec, tables, octave):
    """The deep density, three planes, at the widths that a stream may have."""
    bottleneck, width = tiny_codec.model.bottleneck, 2.0**octave
    rng = np.random.default_rng(octave)
    # From the density itself: its symbols at this width, drawn by their probabilities.
    draws = []
    for offset, pmf in bottleneck.pmf(width):
        draws.append(offset + rng.choice(pmf.size - 1, SYMBOLS // 3, p=pmf[:-1] / pmf[:-1].sum()))
    symbols = np.stack(draws, -1).astype(np.int32)
    latents = symbols.reshape(1, -1, 1, 3).astype(np.float32) * width
    inside = 0.49 * width * rng.uniform(-1, 1, latents.shape).astype(np.float32)
    values, bits = bottleneck(latents + inside, width=width)
    np.testing.assert_array_equal(numpy(values), latents)
    rows = np.broadcast_to(SCALE_INDEXES + 3 * octave + np.arange(3, dtype=np.int32), symbols.shape)
    ideal = table_bits(tables, symbols, rows).sum()
    actual = stream_bits(tables, symbols, rows)
    assert ideal - 64 <= actual <= 1.005 * ideal + 64
    assert actual == pytest.approx(float(numpy(bits).astype(np.float64).sum()), rel=0.005)


def test_the_deep_density_integrates_to_one_and_rises(tiny_codec, rng):
    layer = DeepFactorizedBottleneck(2, init_scale=5.0)
    layer.build()
    for factor in layer.factors:
        factor.assign(rng.normal(0, 0.5, factor.shape))
    grid = np.repeat(np.arange(-400, 401, dtype=np.float32)[:, None], 2, axis=1)
    mass = numpy(layer.interval_probability(ops.convert_to_tensor(grid), 1.0))
    assert mass.min() >= 0
    np.testing.assert_allclose(mass.astype(np.float64).sum(axis=0), 1, atol=1e-5)
    logits = numpy(layer.logits(ops.convert_to_tensor(grid.T[:, None, :])))
    assert (np.diff(logits, axis=-1) > 0).all()


def test_wide_rounding_is_the_sum_of_narrow_rounding():
    """Mass of an interval of width 4 is that of its four quarters."""
    layer = logistic_bottleneck(3.0)
    whole = numpy(layer.interval_probability(np.array([[8.0]], np.float32), 4.0))
    parts = numpy(layer.interval_probability(np.float32([[6.5], [7.5], [8.5], [9.5]]), 1.0))
    assert whole[0, 0] == pytest.approx(parts.sum(), rel=1e-5)


def test_the_middle_of_a_symmetric_density_keeps_its_mass():
    """Where the logits on both sides add up to zero, neither tail is the nearer one."""
    layer = logistic_bottleneck(0.5)
    mass = numpy(layer.interval_probability(np.zeros((1, 1), np.float32), 1.0))[0, 0]
    assert mass == pytest.approx(math.tanh(0.5), rel=1e-6)  # 2 sigmoid(0.5 / 0.5) - 1


def test_noise_stays_within_half_a_step_and_differs_from_call_to_call():
    layer = logistic_bottleneck(10.0)
    latents = np.zeros((1, 1000, 1, 1), np.float32)
    first, second = (numpy(layer(latents, width=8.0, training=True)[0]) for _ in range(2))
    assert np.abs(first).max() <= 4 and np.abs(first).max() > 3.9
    assert (first != second).any()


@pytest.mark.parametrize("latent", [0.0, 0.5, -1.5, 1e5, -1e5])
def test_the_bottleneck_s_gradients_are_finite(latent):
    layer = DeepFactorizedBottleneck(1)
    layer.build()
    latents = np.full((1, 1, 1, 1), latent, np.float32)
    variables = layer.trainable_variables
    for gradient in gradients(lambda *_: ops.sum(layer(latents)[1]), variables):
        assert np.isfinite(gradient).all()
