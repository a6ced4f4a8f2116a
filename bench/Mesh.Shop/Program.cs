using Mesh.Shop.Hosting;

return await ShopProgram.RunAsync(args, Console.Out, Console.Error);
