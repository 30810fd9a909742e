// ./dev bench cells: how small and how fast storage/cell_chunk.h is, on four weeks of 5-minute
// cells as signals make them. The figures of that header come from here.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <numbers>
#include <random>
#include <string>
#include <vector>

#include "storage/cell_chunk.h"

namespace holdfast {
namespace {

constexpr std::size_t count = 8064;
constexpr double day = 288;

/// A fixed stream of randomness; every shape has its own.
class Source {
public:
    double normal() { return normal_(engine_); }
    double uniform() { return std::uniform_real_distribution<double>{}(engine_); }
    double poisson(double mean) {
        return static_cast<double>(std::poisson_distribution<int>{mean}(engine_));
    }
    /// Noise that remembers: AR(1), 0.9 from cell to cell.
    double slow() { return slow_ = 0.9 * slow_ + normal(); }

private:
    std::mt19937_64 engine_{5};
    std::normal_distribution<double> normal_;
    double slow_ = 0;
};

double daily(std::size_t i) {
    return 1 + 0.4 * std::sin(static_cast<double>(i) / day * 2 * std::numbers::pi);
}

/// Mean of `points` readings about `level`, each rounded to 1 / `per_unit`.
double mean_of(Source& source, int points, double level, double spread, double per_unit) {
    double sum = 0;
    for (int i = 0; i < points; ++i) {
        sum += std::round((level + spread * source.normal()) * per_unit) / per_unit;
    }
    return sum / points;
}

/// Increase over a cell of a counter that is exposed with two decimals.
double increase(double& counter, double amount) {
    const auto before = counter;
    counter = std::round((counter + amount) * 100) / 100;
    return counter - before;
}

struct Shape {
    const char* name;
    std::function<Cell(Source&, std::size_t)> cell;
};

std::vector<Shape> shapes() {
    static double cpu = 123456.78;
    static double seconds = 98765.43;
    return {
        {"constant gauge",
         [](Source&, std::size_t) {
             return Cell{0.25, 1};
         }},
        {"gauge that changes twice a week",
         [](Source&, std::size_t i) {
             return Cell{64e9 + 1e6 * std::floor(static_cast<double>(i) / 1008), 1};
         }},
        {"gauge, no form: 53 random bits",
         [](Source& s, std::size_t i) {
             return Cell{daily(i) * (1 + 0.05 * s.slow()), 1};
         }},
        {"gauge, mean of 20 with 4 decimals",
         [](Source& s, std::size_t i) {
             return Cell{mean_of(s, 20, 0.3 * daily(i), 0.02, 1e4), 1};
         }},
        {"gauge, mean of 300 with 4 decimals",
         [](Source& s, std::size_t i) {
             return Cell{mean_of(s, 300, 0.3 * daily(i), 0.02, 1e4), 1};
         }},
        {"gauge, mean of 30 integers",
         [](Source& s, std::size_t i) {
             return Cell{mean_of(s, 30, 40 * daily(i), 6, 1), 1};
         }},
        {"memory, mean of 20 in pages",
         [](Source& s, std::size_t) {
             return Cell{mean_of(s, 20, 3e9 + 1e7 * s.slow(), 1e6, 1.0 / 4096), 1};
         }},
        {"integer rate: bytes per cell",
         [](Source& s, std::size_t i) {
             return Cell{std::round(5e6 * daily(i) * (1 + 0.1 * s.slow())), 300};
         }},
        {"error ratio: few of thousands",
         [](Source& s, std::size_t i) {
             return Cell{s.poisson(0.3), s.poisson(3000 * daily(i))};
         }},
        {"cpu: increase with 2 decimals",
         [](Source& s, std::size_t i) {
             return Cell{increase(cpu, 30 * daily(i) * (1 + 0.1 * std::abs(s.normal()))), 300};
         }},
        {"latency: seconds over requests",
         [](Source& s, std::size_t i) {
             const auto requests = s.poisson(800 * daily(i));
             return Cell{increase(seconds, 0.02 * requests * (1 + 0.1 * std::abs(s.normal()))),
                         requests};
         }},
        {"integers, a week missing",
         [](Source& s, std::size_t i) {
             return i / 2016 == 1 ? Cell{} : Cell{s.poisson(40 * daily(i)), 1};
         }},
        {"integers, a tenth missing at random",
         [](Source& s, std::size_t i) {
             const Cell cell{s.poisson(40 * daily(i)), 1};
             return s.uniform() < 0.1 ? Cell{} : cell;
         }},
    };
}

/// Megabytes of cells (16 bytes each) per second of `work`, the best of several tries.
double megabytes_per_second(const std::function<void()>& work) {
    using Clock = std::chrono::steady_clock;
    double best = 0;
    for (int i = 0; i < 30; ++i) {
        const auto begin = Clock::now();
        work();
        const std::chrono::duration<double> took = Clock::now() - begin;
        best = std::max(best, 16e-6 * count / took.count());
    }
    return best;
}

int bench() {
    fmt::print("{:38} {:>10} {:>12} {:>12}\n", "cells", "bytes/cell", "encode MB/s", "decode MB/s");
    for (const auto& shape : shapes()) {
        Source source;
        Cells cells;
        for (std::size_t i = 0; i < count; ++i) {
            cells.push_back(shape.cell(source, i));
        }
        const auto bytes = storage::encode_cells(cells);
        const auto back = storage::decode_cells(bytes, count);
        if (!back || *back != cells) {
            fmt::print("{}: does not come back\n", shape.name);
            return 1;
        }
        const auto encode = megabytes_per_second([&] { (void)storage::encode_cells(cells); });
        const auto decode =
            megabytes_per_second([&] { (void)storage::decode_cells(bytes, count); });
        fmt::print("{:38} {:10.3f} {:12.0f} {:12.0f}\n", shape.name,
                   static_cast<double>(bytes.size()) / count, encode, decode);
    }
    return 0;
}

}  // namespace
}  // namespace holdfast

int main() {
    return holdfast::bench();
}
