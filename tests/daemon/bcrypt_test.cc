#include "daemon/bcrypt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast::daemon {
namespace {

using ::testing::HasSubstr;

const std::string hash = "$2b$04$holdfastTestSaltNo1aaOY6f1wryF4OycEJ3Ce8XsW7XQ7bpTE0O";

TEST(Bcrypt, TakesTheRightPasswordAndNoOther) {
    EXPECT_TRUE(bcrypt_matches("correct horse", hash));
    for (const auto* wrong : {"", "correct hors", "correct horse ", "Correct horse"}) {
        EXPECT_FALSE(bcrypt_matches(wrong, hash)) << wrong;
    }
}

TEST(Bcrypt, TakesEveryVariantThatHtpasswdMakes) {
    EXPECT_TRUE(bcrypt_matches("correct horse",
                               "$2a$04$holdfastTestSaltNo3aaOgGB28AcPJEj6TK4ldKvVkCIQ82feQ3q"));
    EXPECT_TRUE(bcrypt_matches("battery staple",
                               "$2y$05$holdfastTestSaltNo2aaOKUxvVYJnCVEIiUmroDhjnwDcdnSidmS"));
}

TEST(Bcrypt, WhatFollowsAZeroByteIsNoPassword) {
    EXPECT_FALSE(bcrypt_matches(std::string{"correct horse\0", 14}, hash));
}

TEST(Bcrypt, APasswordTooLongForItMatchesNothing) {
    EXPECT_FALSE(bcrypt_matches(std::string(100'000, 'x'), hash));
}

TEST(Bcrypt, KnowsItsHashes) {
    EXPECT_EQ(bcrypt_problem(hash), "");
    EXPECT_EQ(bcrypt_cost(hash), 4);
    EXPECT_EQ(bcrypt_problem("$2b$16" + hash.substr(6)), "");
    EXPECT_THAT(bcrypt_problem("$2b$17" + hash.substr(6)), HasSubstr("has the cost 17"));
    for (const auto& bad :
         {std::string{}, std::string{"$2b$"}, hash.substr(0, 59), hash + "/",
          "$2x" + hash.substr(3), "$2b$03" + hash.substr(6), "$2b$1x" + hash.substr(6),
          "$2b$-4" + hash.substr(6), hash.substr(0, 59) + "!"}) {
        EXPECT_THAT(bcrypt_problem(bad), HasSubstr("is no bcrypt hash; make one with")) << bad;
    }
}

}  // namespace
}  // namespace holdfast::daemon
