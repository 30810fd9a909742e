#include "storage/integer_stream.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <queue>

namespace holdfast::storage {
namespace {

constexpr unsigned run_symbols = 22;  // symbols 1…22: runs of zeros
constexpr std::size_t symbols_max = 1 + run_symbols + 64;
constexpr unsigned code_length_max = 11;
constexpr unsigned fixed_predictor = 0;
constexpr unsigned predictors = 4;

using Counts = std::array<std::uint64_t, symbols_max>;
using Lengths = std::array<std::uint8_t, symbols_max>;
using Codes = std::array<std::uint16_t, symbols_max>;

std::uint64_t low_bits(unsigned count) {
    return count >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
}

unsigned raw_bits(std::size_t symbol) {
    const auto s = static_cast<unsigned>(symbol);
    return s <= run_symbols ? s : s - run_symbols - 1;
}

// ---- prediction

class Predictor {
public:
    Predictor(unsigned kind, std::int64_t base)
        : prediction_{static_cast<std::uint64_t>(base)},
          shift_{kind == fixed_predictor ? 0 : kind - 1},
          mask_{kind == fixed_predictor ? 0 : ~std::uint64_t{0}} {}

    std::uint64_t residual(std::int64_t value) {
        const auto error =
            static_cast<std::int64_t>(static_cast<std::uint64_t>(value) - prediction_);
        learn(error);
        return zigzag(error);
    }
    std::int64_t value(std::uint64_t residual) {
        const auto error = unzigzag(residual);
        const auto out = prediction_ + static_cast<std::uint64_t>(error);
        learn(error);
        return static_cast<std::int64_t>(out);
    }
    std::int64_t prediction() const { return static_cast<std::int64_t>(prediction_); }

private:
    void learn(std::int64_t error) {
        prediction_ += static_cast<std::uint64_t>(error >> shift_) & mask_;
    }

    std::uint64_t prediction_;
    unsigned shift_;
    std::uint64_t mask_;
};

std::int64_t median(std::span<const std::int64_t> values) {
    std::vector<std::int64_t> copy{values.begin(), values.end()};
    const auto middle = copy.begin() + static_cast<std::ptrdiff_t>(copy.size() / 2);
    std::nth_element(copy.begin(), middle, copy.end());
    return *middle;
}

// ---- symbols

/// Calls `take(symbol, raw)` for the symbols that say `values`.
template <class Take>
void for_each_symbol(std::span<const std::int64_t> values, Predictor predictor, Take&& take) {
    std::uint64_t zeros = 0;
    const auto end_run = [&] {
        if (zeros > 0) {
            const auto symbol = static_cast<unsigned>(std::bit_width(zeros)) - 1;
            take(symbol, zeros - (std::uint64_t{1} << symbol));
            zeros = 0;
        }
    };
    for (const auto value : values) {
        const auto residual = predictor.residual(value);
        if (residual == 0) {
            if (++zeros == low_bits(run_symbols + 1)) {
                end_run();
            }
            continue;
        }
        end_run();
        const auto width = static_cast<unsigned>(std::bit_width(residual));
        take(run_symbols + width, residual & low_bits(width - 1));
    }
    end_run();
}

/// log2(value) in 1/256, off by less than 0.09: integers, because the choice must be the same
/// everywhere.
std::uint64_t log2_in_256ths(std::uint64_t value) {
    const auto width = static_cast<unsigned>(std::bit_width(value));
    return std::uint64_t{width - 1} * 256 + (((value << (64 - width)) << 1U) >> 56U);
}

/// About how many bits the symbols take, in 1/256.
std::uint64_t cost(const Counts& counts) {
    std::uint64_t total = 0;
    for (const auto count : counts) {
        total += count;
    }
    std::uint64_t sum = 0;
    for (std::size_t symbol = 0; symbol < symbols_max; ++symbol) {
        if (const auto count = counts[symbol]; count > 0) {
            sum += count * (256 * std::uint64_t{raw_bits(symbol)} + log2_in_256ths(total) -
                            log2_in_256ths(count));
        }
    }
    return sum;
}

struct Plan {
    unsigned kind;
    std::int64_t base;
    Counts counts;
};

/// The predictor whose residuals cost least.
Plan cheapest(std::span<const std::int64_t> values) {
    Plan best{};
    std::uint64_t best_cost = ~std::uint64_t{0};
    for (unsigned kind = 0; kind < predictors; ++kind) {
        Plan plan{kind, kind == fixed_predictor ? median(values) : values.front(), {}};
        for_each_symbol(values, {plan.kind, plan.base},
                        [&plan](unsigned symbol, std::uint64_t) { ++plan.counts[symbol]; });
        if (const auto bits = cost(plan.counts); bits < best_cost) {
            best = plan;
            best_cost = bits;
        }
        if (best_cost == 0) {
            break;
        }
    }
    return best;
}

// ---- Huffman

/// Depth of every symbol in a Huffman tree of `counts`; ties are broken by the order of creation.
Lengths tree_depths(const Counts& counts) {
    struct Node {
        std::uint64_t count;
        std::size_t index;
        bool operator>(const Node& other) const {
            return count != other.count ? count > other.count : index > other.index;
        }
    };
    std::priority_queue<Node, std::vector<Node>, std::greater<>> open;
    for (std::size_t symbol = 0; symbol < symbols_max; ++symbol) {
        if (counts[symbol] > 0) {
            open.push({counts[symbol], symbol});
        }
    }
    std::array<std::size_t, 2 * symbols_max> parent{};
    std::size_t nodes = symbols_max;
    while (open.size() > 1) {
        auto count = open.top().count;
        parent[open.top().index] = nodes;
        open.pop();
        count += open.top().count;
        parent[open.top().index] = nodes;
        open.pop();
        open.push({count, nodes++});
    }
    Lengths lengths{};
    for (std::size_t symbol = 0; symbol < symbols_max; ++symbol) {
        for (auto node = symbol; counts[symbol] > 0 && parent[node] != 0; node = parent[node]) {
            ++lengths[symbol];
        }
    }
    return lengths;
}

/// Code lengths of at most code_length_max; all 0 when only one symbol is in use.
Lengths code_lengths(Counts counts) {
    for (;;) {
        const auto lengths = tree_depths(counts);
        if (*std::max_element(lengths.begin(), lengths.end()) <= code_length_max) {
            return lengths;
        }
        for (auto& count : counts) {
            count = (count + 1) / 2;  // flatter; all ones at last, whose tree is 7 deep
        }
    }
}

/// Canonical codes (by length, then symbol), first bit lowest. Nothing unless the lengths fill the
/// tree of codes exactly.
std::optional<Codes> canonical_codes(const Lengths& lengths) {
    Codes codes{};
    std::uint32_t next = 0;
    for (unsigned length = 1; length <= code_length_max; ++length) {
        next <<= 1U;
        for (std::size_t symbol = 0; symbol < symbols_max; ++symbol) {
            if (lengths[symbol] != length) {
                continue;
            }
            if (next >> length != 0) {
                return std::nullopt;
            }
            std::uint32_t reversed = 0;
            for (unsigned bit = 0; bit < length; ++bit) {
                reversed |= ((next >> bit) & 1U) << (length - 1 - bit);
            }
            codes[symbol] = static_cast<std::uint16_t>(reversed);
            ++next;
        }
    }
    return next == 1U << code_length_max ? std::optional{codes} : std::nullopt;
}

// ---- bits

class BitWriter {
public:
    explicit BitWriter(std::string& out) : out_{out} {}

    /// The lowest `count` bits of `value`, at most 32; the others are 0.
    void put(std::uint64_t value, unsigned count) {
        pending_ |= value << filled_;
        filled_ += count;
        if (filled_ >= 32) {
            const auto word = boost::endian::native_to_little(static_cast<std::uint32_t>(pending_));
            out_.append(reinterpret_cast<const char*>(&word), sizeof word);
            pending_ >>= 32U;
            filled_ -= 32;
        }
    }
    void put_long(std::uint64_t value, unsigned count) {
        const auto first = std::min(count, 32U);
        put(value & low_bits(first), first);
        if (count > first) {
            put(value >> 32U, count - first);
        }
    }
    void finish() {
        for (; filled_ > 0; filled_ -= std::min(filled_, 8U)) {
            out_ += static_cast<char>(pending_);
            pending_ >>= 8U;
        }
    }

private:
    std::string& out_;
    std::uint64_t pending_ = 0;
    unsigned filled_ = 0;
};

/// Reads bits anywhere; behind the end there are zeros, and ran_out() says so.
class BitReader {
public:
    explicit BitReader(std::string_view bytes)
        : data_{reinterpret_cast<const unsigned char*>(bytes.data())}, size_{bytes.size()} {}

    /// The next 57 bits or more, the first one lowest.
    std::uint64_t peek() const {
        const auto offset = position_ >> 3U;
        if (offset + 8 <= size_) {
            return boost::endian::load_little_u64(data_ + offset) >> (position_ & 7U);
        }
        std::array<unsigned char, 8> tail{};
        if (offset < size_) {
            std::memcpy(tail.data(), data_ + offset, size_ - offset);
        }
        return boost::endian::load_little_u64(tail.data()) >> (position_ & 7U);
    }
    void skip(unsigned count) { position_ += count; }
    std::uint64_t get(unsigned count) {
        auto value = peek();
        if (count > 57) {
            const auto low = value & low_bits(32);
            skip(32);
            value = low | peek() << 32U;
            skip(count - 32);
        } else {
            skip(count);
        }
        return value & low_bits(count);
    }
    bool ran_out() const { return position_ > size_ * 8; }
    /// Whole bytes that were read; nothing when bits behind the last are not 0.
    std::optional<std::size_t> bytes_read() const {
        const auto unused = static_cast<unsigned>(-position_ & 7U);
        return (peek() & low_bits(unused)) == 0 ? std::optional{(position_ + 7) / 8} : std::nullopt;
    }

private:
    const unsigned char* data_;
    std::size_t size_;
    std::size_t position_ = 0;
};

// ---- the head of a sequence

void append_lengths(std::string& out, const Counts& counts, const Lengths& lengths) {
    std::size_t lowest = 0;
    std::size_t highest = symbols_max - 1;
    while (counts[lowest] == 0) {
        ++lowest;
    }
    while (counts[highest] == 0) {
        --highest;
    }
    out += static_cast<char>(lowest);
    out += static_cast<char>(highest);
    for (auto symbol = lowest; lowest < highest && symbol <= highest; symbol += 2) {
        const auto second = symbol < highest ? lengths[symbol + 1] : 0U;
        out += static_cast<char>(lengths[symbol] | second << 4U);
    }
}

/// What the next bits mean, by their value.
struct CodeTable {
    struct Entry {
        std::uint8_t symbol;
        std::uint8_t length;
    };
    std::array<Entry, 1U << code_length_max> entries;
    std::uint64_t mask;
};

bool read_table(ByteReader& in, CodeTable& table) {
    const auto lowest = in.byte();
    const auto highest = in.byte();
    if (!lowest || !highest || *lowest > *highest || *highest >= symbols_max) {
        return false;
    }
    if (*lowest == *highest) {
        table.entries[0] = {*lowest, 0};
        table.mask = 0;
        return true;
    }
    Lengths lengths{};
    for (std::size_t symbol = *lowest; symbol <= *highest; symbol += 2) {
        const auto pair = in.byte();
        if (!pair || (symbol == *highest && *pair >> 4U != 0)) {
            return false;
        }
        lengths[symbol] = *pair & 0xfU;
        if (symbol < *highest) {
            lengths[symbol + 1] = static_cast<std::uint8_t>(*pair >> 4U);
        }
    }
    const auto longest = *std::max_element(lengths.begin(), lengths.end());
    if (longest > code_length_max) {
        return false;
    }
    const auto codes = canonical_codes(lengths);
    if (!codes) {
        return false;
    }
    const std::size_t size = std::size_t{1} << longest;
    for (std::size_t symbol = *lowest; symbol <= *highest; ++symbol) {
        if (lengths[symbol] > 0) {
            const CodeTable::Entry entry{static_cast<std::uint8_t>(symbol), lengths[symbol]};
            for (std::size_t i = (*codes)[symbol]; i < size; i += std::size_t{1} << entry.length) {
                table.entries[i] = entry;
            }
        }
    }
    table.mask = size - 1;
    return true;
}

/// Fills `out`; false when the bits end before it is full or a run does not fit.
bool read_values(BitReader& bits, const CodeTable& table, Predictor predictor,
                 std::span<std::int64_t> out) {
    for (std::size_t i = 0; i < out.size();) {
        const auto entry = table.entries[bits.peek() & table.mask];
        bits.skip(entry.length);
        const auto raw = bits.get(raw_bits(entry.symbol));
        if (bits.ran_out()) {
            return false;
        }
        if (entry.symbol > run_symbols) {
            out[i++] = predictor.value(std::uint64_t{1} << raw_bits(entry.symbol) | raw);
            continue;
        }
        const auto zeros = (std::uint64_t{1} << entry.symbol) + raw;
        if (zeros > out.size() - i) {
            return false;
        }
        std::fill_n(out.begin() + static_cast<std::ptrdiff_t>(i), zeros, predictor.prediction());
        i += zeros;
    }
    return true;
}

}  // namespace

void append_integers(std::string& out, std::span<const std::int64_t> values) {
    if (values.empty()) {
        return;
    }
    const auto plan = cheapest(values);
    const auto lengths = code_lengths(plan.counts);
    out += static_cast<char>(plan.kind);
    append_varint(out, zigzag(plan.base));
    append_lengths(out, plan.counts, lengths);
    const auto codes = canonical_codes(lengths).value_or(Codes{});
    BitWriter bits{out};
    for_each_symbol(values, {plan.kind, plan.base}, [&](unsigned symbol, std::uint64_t raw) {
        bits.put(codes[symbol], lengths[symbol]);
        bits.put_long(raw, raw_bits(symbol));
    });
    bits.finish();
}

std::optional<std::vector<std::int64_t>> read_integers(ByteReader& in, std::size_t count) {
    std::vector<std::int64_t> out;
    if (count == 0) {
        return out;
    }
    const auto kind = in.byte();
    const auto base = in.varint();
    CodeTable table;
    if (!kind || !base || *kind >= predictors || !read_table(in, table)) {
        return std::nullopt;
    }
    BitReader bits{in.rest()};
    out.resize(count);
    if (!read_values(bits, table, {*kind, unzigzag(*base)}, out)) {
        return std::nullopt;
    }
    const auto size = bits.bytes_read();
    if (!size) {
        return std::nullopt;
    }
    in.skip(*size);
    return out;
}

}  // namespace holdfast::storage
