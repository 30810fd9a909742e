#include "storage/cell_chunk.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numeric>
#include <optional>
#include <span>
#include <vector>

#include "storage/integer_stream.h"
#include "storage/varint.h"

namespace holdfast::storage {
namespace {

constexpr char format_version = 1;
constexpr std::array multipliers{1.0, 3.0, 9.0};
constexpr std::array powers{1.0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                            1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
constexpr unsigned no_scale = multipliers.size() * powers.size();
constexpr unsigned grid_max = 63;
constexpr double exact_integers = 9007199254740992.0;  // 2^53
constexpr double units_max = 4611686018427387904.0;    // 2^62
constexpr std::uint64_t sign_bit = std::uint64_t{1} << 63U;
constexpr std::uint64_t mantissa_mask = (std::uint64_t{1} << 52U) - 1;

using Column = std::vector<double>;
using Integers = std::vector<std::int64_t>;

// ---- doubles as integers

/// In the order of the values, -0.0 just below 0.0.
std::int64_t ordered(double value) {
    const auto bits = std::bit_cast<std::uint64_t>(value);
    const auto magnitude = static_cast<std::int64_t>(bits & ~sign_bit);
    return (bits & sign_bit) != 0 ? ~magnitude : magnitude;
}

double from_ordered(std::int64_t value) {
    return std::bit_cast<double>(static_cast<std::uint64_t>(value < 0 ? ~value : value) |
                                 (value < 0 ? sign_bit : 0));
}

std::int64_t difference(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}
std::int64_t sum(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

/// What the values of a column are counted in: steps from one double to the next, or 2^-grid.
class Units {
public:
    explicit Units(unsigned grid)
        : per_unit_{grid == 0 ? 0 : std::ldexp(1.0, static_cast<int>(grid))} {}

    std::int64_t count(double value) const {
        if (per_unit_ == 0) {
            return ordered(value);
        }
        const double units = value * per_unit_;
        return std::abs(units) < units_max ? std::llrint(units) : 0;
    }
    double value(std::int64_t count) const {
        return per_unit_ == 0 ? from_ordered(count) : static_cast<double>(count) / per_unit_;
    }

private:
    double per_unit_;
};

/// z of the coarsest grid 2^-z that all values lie on exactly; 0 when they are whole, or on none.
unsigned grid_of(std::span<const double> column) {
    unsigned grid = 0;
    double largest = 0;
    for (const auto value : column) {
        if (!std::isfinite(value) || (value == 0 && std::signbit(value))) {
            return 0;
        }
        largest = std::max(largest, std::abs(value));
        const auto bits = std::bit_cast<std::uint64_t>(value) & ~sign_bit;
        if (bits == 0) {
            continue;
        }
        // 2^lowest is the last bit that is set; 1075: the exponent's bias and the mantissa's length
        const auto mantissa =
            (bits & mantissa_mask) | (bits > mantissa_mask ? mantissa_mask + 1 : 0);
        const auto lowest =
            std::max(static_cast<int>(bits >> 52U), 1) - 1075 + std::countr_zero(mantissa);
        if (lowest < -static_cast<int>(grid_max)) {
            return 0;
        }
        grid = std::max(grid, static_cast<unsigned>(std::max(-lowest, 0)));
    }
    return std::ldexp(largest, static_cast<int>(grid)) < units_max ? grid : 0;
}

// ---- columns

/// value = units.value(units.count(q / D) + e)
struct Form {
    unsigned scale;  ///< of D; no_scale: q is 0
    unsigned grid;   ///< of the units
};

/// Splits values into q and e and puts them together again.
class Splitter {
public:
    explicit Splitter(const Form& form)
        : divisor_{form.scale == no_scale ? 0
                                          : multipliers[form.scale / powers.size()] *
                                                powers[form.scale % powers.size()]},
          units_{form.grid} {}

    /// `otherwise` for a value that is too large or not finite.
    std::int64_t quotient(double value, std::int64_t otherwise) const {
        const double scaled = value * divisor_;
        return std::abs(scaled) < exact_integers ? std::llrint(scaled) : otherwise;
    }
    std::int64_t rest(double value, std::int64_t q) const {
        return difference(units_.count(value), near(q));
    }
    double value(std::int64_t q, std::int64_t rest) const {
        return units_.value(sum(near(q), rest));
    }

private:
    std::int64_t near(std::int64_t q) const {
        return divisor_ == 0 ? 0 : units_.count(static_cast<double>(q) / divisor_);
    }

    double divisor_;
    Units units_;
};

std::uint64_t width(std::int64_t value) {
    return static_cast<std::uint64_t>(std::bit_width(zigzag(value)));
}

/// About how many bits neighbours take in a form.
std::uint64_t bits_in(const Form& form, std::span<const double> piece) {
    const Splitter split{form};
    auto q_before = split.quotient(piece.front(), 0);
    auto rest_before = form.scale == no_scale ? split.rest(piece.front(), 0) : 0;
    std::uint64_t bits = 0;
    for (const auto value : piece) {
        const auto q = split.quotient(value, q_before);
        const auto rest = split.rest(value, q);
        bits += width(difference(q, q_before)) + width(difference(rest, rest_before));
        q_before = q;
        rest_before = form.scale == no_scale ? rest : 0;
    }
    return bits;
}

/// Pieces of neighbours, spread over the column.
std::vector<std::span<const double>> sample(std::span<const double> column) {
    constexpr std::size_t pieces = 8;
    constexpr std::size_t piece = 16;
    if (column.size() <= pieces * piece) {
        return {column};
    }
    std::vector<std::span<const double>> out;
    for (std::size_t i = 0; i < pieces; ++i) {
        out.push_back(column.subspan((column.size() - piece) * i / (pieces - 1), piece));
    }
    return out;
}

/// The form in which a sample is smallest, of several the first.
Form choose_form(std::span<const double> column) {
    const auto pieces = sample(column);
    Form best{no_scale, 0};
    auto best_bits = ~std::uint64_t{0};
    const auto consider = [&](const Form& form) {
        std::uint64_t bits = 0;
        for (const auto& piece : pieces) {
            bits += bits_in(form, piece);
        }
        if (bits < best_bits) {
            best = form;
            best_bits = bits;
        }
    };
    const auto grid = grid_of(column);
    for (unsigned i = 0; i <= no_scale && best_bits > 0; ++i) {
        const auto scale = i == 0 ? no_scale : i - 1;
        consider({scale, 0});
        if (grid > 0) {
            consider({scale, grid});
        }
    }
    return best;
}

void append_column(std::string& out, std::span<const double> column) {
    const auto form = choose_form(column);
    const Splitter split{form};
    Integers quotients;
    Integers rests;
    quotients.reserve(column.size());
    rests.reserve(column.size());
    std::int64_t q = 0;
    std::int64_t common = 0;
    for (const auto value : column) {
        q = split.quotient(value, q);
        quotients.push_back(q);
        rests.push_back(split.rest(value, q));
        common = common == 1 ? 1 : std::gcd(common, q);
    }
    out += static_cast<char>(form.scale);
    out += static_cast<char>(form.grid);
    if (form.scale != no_scale) {
        common = std::max<std::int64_t>(common, 1);
        for (auto& quotient : quotients) {
            quotient /= common;
        }
        append_varint(out, static_cast<std::uint64_t>(common));
        append_integers(out, quotients);
    }
    append_integers(out, rests);
}

std::optional<Integers> read_quotients(ByteReader& in, std::size_t count) {
    const auto common = in.varint();
    auto quotients = common && *common > 0 ? read_integers(in, count) : std::nullopt;
    if (quotients && *common != 1) {
        for (auto& q : *quotients) {
            q = static_cast<std::int64_t>(static_cast<std::uint64_t>(q) * *common);
        }
    }
    return quotients;
}

std::optional<Column> read_column(ByteReader& in, std::size_t count) {
    const auto scale = in.byte();
    const auto grid = in.byte();
    if (!scale || !grid || *scale > no_scale || *grid > grid_max) {
        return std::nullopt;
    }
    const auto quotients =
        *scale == no_scale ? std::optional{Integers(count)} : read_quotients(in, count);
    const auto rests = quotients ? read_integers(in, count) : std::nullopt;
    if (!rests) {
        return std::nullopt;
    }
    const Splitter split{{*scale, *grid}};
    Column column(count);
    for (std::size_t i = 0; i < count; ++i) {
        column[i] = split.value((*quotients)[i], (*rests)[i]);
    }
    return column;
}

// ---- runs

bool missing(const Cell& cell) {
    return (std::bit_cast<std::uint64_t>(cell.numerator) |
            std::bit_cast<std::uint64_t>(cell.denominator)) == 0;
}

/// Lengths of the runs of present and missing cells in turn.
Integers runs_of(const Cells& cells) {
    Integers runs;
    bool present = true;
    std::int64_t length = 0;
    for (const auto& cell : cells) {
        if (missing(cell) == present) {
            runs.push_back(length);
            length = 0;
            present = !present;
        }
        ++length;
    }
    if (length > 0) {
        runs.push_back(length);
    }
    return runs;
}

/// How many cells are present; nothing when the runs are not of `cells` cells.
std::optional<std::size_t> count_present(const Integers& runs, std::size_t cells) {
    std::size_t total = 0;
    std::size_t present = 0;
    for (std::size_t i = 0; i < runs.size(); ++i) {
        const auto length = static_cast<std::size_t>(runs[i]);
        if ((length == 0 && i > 0) || length > cells - total) {
            return std::nullopt;
        }
        total += length;
        present += i % 2 == 0 ? length : 0;
    }
    return total == cells ? std::optional{present} : std::nullopt;
}

Cells assemble(std::size_t count, const Integers& runs, const Column& denominators,
               const Column& numerators) {
    Cells cells(count);
    std::size_t at = 0;
    std::size_t from = 0;
    for (std::size_t i = 0; i < runs.size(); ++i) {
        const auto length = static_cast<std::size_t>(runs[i]);
        for (std::size_t j = 0; i % 2 == 0 && j < length; ++j, ++from) {
            cells[at + j] = {numerators[from], denominators[from]};
        }
        at += length;
    }
    return cells;
}

}  // namespace

std::string encode_cells(const Cells& cells) {
    Column denominators;
    Column numerators;
    denominators.reserve(cells.size());
    numerators.reserve(cells.size());
    for (const auto& cell : cells) {
        if (!missing(cell)) {
            denominators.push_back(cell.denominator);
            numerators.push_back(cell.numerator);
        }
    }
    const auto runs = runs_of(cells);
    std::string out{format_version};
    append_varint(out, runs.size());
    append_integers(out, runs);
    if (!numerators.empty()) {
        append_column(out, denominators);
        append_column(out, numerators);
    }
    return out;
}

Result<Cells> decode_cells(std::string_view bytes, std::size_t cells) {
    const auto corrupt = [&](std::string_view what) {
        return failure(Errc::corrupt, "chunk of {} cells in {} bytes: {}; restore a backup", cells,
                       bytes.size(), what);
    };
    if (cells > cells_max) {
        return corrupt(fmt::format("at most {} are possible", cells_max));
    }
    if (bytes.empty() || bytes.front() != format_version) {
        return corrupt("unknown format version");
    }
    ByteReader in{bytes.substr(1)};
    const auto bad = [&](std::string_view what) {
        return corrupt(fmt::format("bad {} before byte {}", what, bytes.size() - in.left()));
    };
    const auto run_count = in.varint();
    if (!run_count || *run_count > cells + 1) {
        return bad("number of runs");
    }
    const auto runs = read_integers(in, *run_count);
    const auto present = runs ? count_present(*runs, cells) : std::nullopt;
    if (!present) {
        return bad("runs");
    }
    std::optional<Column> denominators{std::in_place};
    std::optional<Column> numerators{std::in_place};
    if (*present > 0) {
        denominators = read_column(in, *present);
        if (!denominators) {
            return bad("denominators");
        }
        numerators = read_column(in, *present);
        if (!numerators) {
            return bad("numerators");
        }
    }
    if (in.left() != 0) {
        return bad("end: bytes follow it");
    }
    return assemble(cells, *runs, *denominators, *numerators);
}

}  // namespace holdfast::storage
