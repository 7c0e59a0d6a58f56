using MlNetTransfer.Backbones;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Backbones;

/// <summary>Backbones of the catalog whose packages a build fetches only when asked: a test that needs one that is not here is inconclusive, not failed.</summary>
internal static class Restored
{
    public static Backbone Open(string id, TempFolder cache)
    {
        BackboneCard card = BackboneCatalog.Shipped.Get(id);
        if (card.Restore is { } restore && !File.Exists(BackboneCatalog.Shipped.PathOf(card, card.Files[0]))) Assert.Inconclusive($"Needs {card.Package}: {restore}");
        return new BackboneStore(BackboneCatalog.Shipped, cache.Path).Open(id);
    }
}
