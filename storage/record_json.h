#pragma once
#include <string>
#include <string_view>

#include "model/fields.h"
#include "model/result.h"

namespace holdfast::storage {

/// A record as it lies on the disk: byte 0 is the format version (1), the rest is a JSON object of
/// the record's fields (model/fields.h). Times and durations are integers of milliseconds (time
/// zone offsets: seconds), enums are the design's words, and doubles are strings in the shortest
/// form that reads back to the same bits, because JSON parsers round.
template <class Record>
std::string encode_record(const Record& record);

/// Fails with Errc::corrupt, naming the field, on anything but what encode_record writes; absent
/// fields keep their defaults, unknown ones are ignored.
template <class Record>
Result<Record> decode_record(std::string_view bytes);

}  // namespace holdfast::storage
