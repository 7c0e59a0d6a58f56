using MlNetTransfer.Backbones;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Backbones;

/// <summary>
/// Backbones of the catalog whose packages a build fetches only when asked: a test that needs one that is not here is
/// inconclusive, not failed.
/// </summary>
internal static class Restored
{
    public static Backbone Open(string id, TempFolder cache)
    {
        if (BackboneCatalog.Shipped.Cards.All(c => c.Id != id))
            Assert.Inconclusive($"Needs the TF.js network {id}: build with -p:WithTfjs=true.");
        return new BackboneStore(BackboneCatalog.Shipped, cache.Path).Open(id);
    }
}
