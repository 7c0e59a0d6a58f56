using System.Security.Cryptography;
using MlNetTransfer.Models;

namespace MlNetTransfer.Tests.Models;

[TestClass]
public sealed class ImageHashesTests
{
    private static readonly byte[] Digests = [.. Enumerable.Range(0, 50).SelectMany(i => SHA256.HashData([(byte)i]))];

    [TestMethod]
    public void Contains_RowsThatCount_AreKnownAndOthersNot()
    {
        ImageHashes hashes = ImageHashes.Parse(ImageHashes.Of(Digests, Enumerable.Range(0, 40)).ToString());
        Assert.AreEqual(40, hashes.Count);
        Assert.IsTrue(hashes.AreAll);
        for (int i = 0; i < 50; i++)
            Assert.AreEqual(i < 40, hashes.Contains(Digests.AsSpan(32 * i)), $"{i}");
    }

    /// <summary>Oracle: the first 8 bytes of SHA-256("abc"), FIPS 180-2, appendix B.1.</summary>
    [TestMethod]
    public void ToString_OneImage_IsTheFirstEightBytesInBase64() =>
        Assert.AreEqual(
            Convert.ToBase64String(Convert.FromHexString("ba7816bf8f01cfea")),
            ImageHashes.Of(SHA256.HashData("abc"u8), [0]).ToString()
        );

    [TestMethod]
    public void ToString_SameImagesInOtherOrderAndTwice_AreTheSameText() =>
        Assert.AreEqual(
            ImageHashes.Of(Digests, [1, 2, 3]).ToString(),
            ImageHashes.Of(Digests, [3, 1, 2, 1]).ToString()
        );

    [TestMethod]
    public void Of_MoreThanTheMost_KeepsTheLowest()
    {
        int many = ImageHashes.Most + 5;
        var digests = new byte[32 * many];
        for (int i = 0; i < many; i++)
            BitConverter.TryWriteBytes(
                digests.AsSpan(32 * i + 4),
                System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(i)
            );
        ImageHashes hashes = ImageHashes.Of(digests, Enumerable.Range(0, many));
        Assert.AreEqual((ImageHashes.Most, false), (hashes.Count, hashes.AreAll));
        Assert.IsTrue(hashes.Contains(digests.AsSpan(0)));
        Assert.IsFalse(hashes.Contains(digests.AsSpan(32 * (many - 1))));
    }

    [TestMethod]
    [DataRow("x")]
    [DataRow("AAAA")]
    [DataRow("AAAAAAAAAAEAAAAAAAAAAQ==")]
    public void Parse_WhatItIsNot_IsRefused(string text) =>
        Assert.ThrowsExactly<FormatException>(() => ImageHashes.Parse(text));
}
