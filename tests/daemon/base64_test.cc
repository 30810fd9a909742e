#include "daemon/base64.h"

#include <gtest/gtest.h>

namespace holdfast::daemon {
namespace {

TEST(Base64, GoesThereAndBack) {
    // RFC 4648, section 10
    for (const auto& [bytes, text] :
         {std::pair{"", ""}, std::pair{"f", "Zg=="}, std::pair{"fo", "Zm8="},
          std::pair{"foo", "Zm9v"}, std::pair{"foob", "Zm9vYg=="},
          std::pair{"foobar", "Zm9vYmFy"}}) {
        EXPECT_EQ(base64_encoded(bytes), text);
        EXPECT_EQ(base64_decoded(text), bytes);
    }
    std::string all;
    for (int byte = 0; byte < 256; ++byte) {
        all += static_cast<char>(byte);
    }
    EXPECT_EQ(base64_decoded(base64_encoded(all)), all);
}

TEST(Base64, RefusesWhatIsNone) {
    for (const auto* bad : {"Z", "Zg", "Zg=", "Z===", "====", "=",
                            "Zg==Zg==", "Z=g=", " Zg==", "Zg== ", "Zm9v\n", "Zm-_", "Zm9v!AAA"}) {
        EXPECT_EQ(base64_decoded(bad), std::nullopt) << bad;
    }
}

}  // namespace
}  // namespace holdfast::daemon
