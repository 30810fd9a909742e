#pragma once
#include <rocksdb/env.h>

#include <atomic>
#include <cstdint>
#include <memory>

namespace holdfast::storage {

/// What a store and its file system tell each other about a full disk.
struct SpaceState {
    std::atomic<std::uint64_t> waits{0};  ///< how often a writer waited 50 ms
    std::atomic<int> waiting{0};          ///< writers that wait now
    std::atomic<bool> give_up{false};     ///< set at shutdown: waits then end in an error
};

/// An environment in which a full disk looks like a slow one: appends wait, on the writer's thread,
/// until there is space. Debian's librocksdb aborts on ENOSPC otherwise (docs/decisions/0002).
std::unique_ptr<rocksdb::Env> make_patient_env(std::shared_ptr<SpaceState> state);

}  // namespace holdfast::storage
